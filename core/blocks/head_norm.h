#pragma once
// RMS norms of queries and keys in front of attention: of each head (Qwen3) or of all heads together (OLMoE). Nothing
// where the model has none.

#include "core/blocks/step_builder.h"

namespace moesaic {

class HeadNorm {
 public:
  /// "qk_norm" of the layer in scope: the gain of queries, then that of keys.
  static void declare(StepBuilder& b);
  /// qkv [group tokens, qkv_width / tp] -> the same with queries and keys normalised.
  TensorId forward(StepBuilder& b, TensorId qkv);
  /// Gradient of what forward() returned -> gradient of qkv.
  TensorId backward(StepBuilder& b, TensorId dy) const;

 private:
  TensorId qkv_ = -1, statistics_ = -1;
};

}  // namespace moesaic
