#pragma once
// DeepSeek's latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1): low-rank projections to queries, keys and
// values; the cache holds what keys and values are made of. Forward only.

#include "core/blocks/attention.h"

namespace moesaic {

class LatentAttentionBlock : public AttentionBlock {
 public:
  /// Throws InvariantError: training refuses such models before it builds blocks.
  TensorId backward(StepBuilder& b, TensorId dy) override;

 protected:
  Heads heads(const StepBuilder& b) const override;
  void declare_projections(StepBuilder& b) const override;
  TensorId project(StepBuilder& b, TensorId normed) const override;
  int64_t cached_elements(const Model& model) const override;
};

}  // namespace moesaic
