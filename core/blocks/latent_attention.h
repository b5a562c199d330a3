#pragma once
// DeepSeek's latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1): low-rank projections to queries, keys and
// values, each latent vector normalised; the cache holds the latent vectors. Training and prefill expand them to keys
// and values of every head, decode absorbs the expansion into the queries (core/operators/latent_attention.h).
//
// With tensor parallelism every rank has all of the projections to latent vectors, for its own tokens, and gathers
// those of its group; the projections behind them are cut by heads, and the cache is the same on all ranks.

#include "core/blocks/attention.h"

namespace moesaic {

class LatentAttentionBlock : public AttentionBlock {
 protected:
  void declare_projections(StepBuilder& b) const override;
  TensorId attend(StepBuilder& b, TensorId normed) override;
  TensorId attend_backward(StepBuilder& b, TensorId d_attended) override;
  int64_t cached_elements(const StepBuilder& b) const override;

 private:
  void project_queries(StepBuilder& b);
  void project_latent(StepBuilder& b);
  TensorId attend_expanded(StepBuilder& b);
  TensorId attend_absorbed(StepBuilder& b) const;
  TensorId query_gradient(StepBuilder& b, TensorId d_queries) const;
  TensorId latent_gradient(StepBuilder& b, TensorId d_kv, TensorId d_latent) const;

  NormLayer query_norm_, latent_norm_;
  TensorId normed_ = -1;                 // [tokens, hidden]
  TensorId query_rows_ = -1;             // what queries are made of: latent vectors of their own, or normed
  TensorId queries_ = -1, latent_ = -1;  // latent: with the part of the keys that has a position
  TensorId kv_ = -1, saved_ = -1;
};

}  // namespace moesaic
