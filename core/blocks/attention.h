#pragma once
// Attention: x + out(attend(norm1(x))), where attend is attention(head_norm(qkv(.))). Rotary positions are part of the
// attention operator. With tensor parallelism each rank has its part of the heads.

#include "core/blocks/block.h"
#include "core/blocks/head_norm.h"
#include "core/blocks/linear_layer.h"
#include "core/blocks/norm_layer.h"

namespace moesaic {

class AttentionBlock : public Block {
 public:
  void declare(StepBuilder& b) const override;
  TensorId forward(StepBuilder& b, TensorId x) override;
  TensorId backward(StepBuilder& b, TensorId dy) override;

 protected:
  /// The parameters between norm1 and out.
  virtual void declare_projections(StepBuilder& b) const;
  /// normed [tokens, hidden] -> results of this rank's heads [group tokens, attention width / tp].
  virtual TensorId attend(StepBuilder& b, TensorId normed);
  /// Gradient of what attend() returned -> gradient of normed.
  virtual TensorId attend_backward(StepBuilder& b, TensorId d_attended);
  /// Elements of a token in this rank's key-value cache.
  virtual int64_t cached_elements(const StepBuilder& b) const;

  TensorId attended_ = -1;  // what attend() returned

 private:
  LinearLayer out_projection(const StepBuilder& b) const;
  void declare_cache(StepBuilder& b) const;

  NormLayer norm_;
  HeadNorm head_norm_;
  TensorId normed_ = -1, qkv_ = -1, saved_ = -1;
};

/// Elements of the results of this rank's heads.
int64_t attention_width(const StepBuilder& b);
/// Of the key-value cache.
DType cache_dtype(const StepBuilder& b);
/// Keys that the layer in scope looks at, without heads. A window that hides no key is none; a decode step's one query
/// has as many keys as it sees.
OpShape keys_shape(const StepBuilder& b);
/// What the attention operator leaves for its gradient: [group tokens, heads of this rank].
TensorId saved_sums(StepBuilder& b);

}  // namespace moesaic
