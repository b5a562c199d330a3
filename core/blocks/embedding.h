#pragma once
// Token ids -> rows of the embedding table. The gradient of a tied table is complete only after this block's backward:
// the head adds to it first.

#include "core/blocks/block.h"

namespace moesaic {

class EmbeddingBlock : public Block {
 public:
  void declare(StepBuilder& b) const override;
  TensorId forward(StepBuilder& b, TensorId nothing) override;
  TensorId backward(StepBuilder& b, TensorId dx) override;
};

}  // namespace moesaic
