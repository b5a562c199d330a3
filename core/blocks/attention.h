#pragma once
// Attention: x + out(attention(head_norm(qkv(norm1(x))))). Rotary positions are part of the attention operator. With
// tensor parallelism each rank has its part of the heads.

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
  /// Of queries, keys and values; on this rank.
  struct Heads {
    int64_t queries, keys, head_dim;
  };
  virtual Heads heads(const StepBuilder& b) const;
  /// The parameters between norm1 and attention.
  virtual void declare_projections(StepBuilder& b) const;
  /// normed [group tokens, hidden] -> queries, keys and values as attention reads them.
  virtual TensorId project(StepBuilder& b, TensorId normed) const;
  /// Elements of a token in the key-value cache, in all ranks of a tensor-parallel group together.
  virtual int64_t cached_elements(const Model& model) const;

 private:
  OpShape shape(const StepBuilder& b) const;
  LinearLayer out_projection(const StepBuilder& b) const;
  void declare_cache(StepBuilder& b) const;

  NormLayer norm_;
  HeadNorm head_norm_;
  TensorId normed_ = -1, qkv_ = -1, attended_ = -1, saved_ = -1;
};

}  // namespace moesaic
