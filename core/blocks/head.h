#pragma once
// Logits of every token in training, of the last token of each sequence in inference; in training the cross-entropy and
// its gradient as well, which is where backward begins.

#include "core/blocks/block.h"
#include "core/blocks/linear_layer.h"
#include "core/blocks/norm_layer.h"

namespace moesaic {

class HeadBlock : public Block {
 public:
  void declare(StepBuilder& b) const override;
  TensorId forward(StepBuilder& b, TensorId x) override;
  TensorId backward(StepBuilder& b, TensorId nothing) override;

 private:
  LinearLayer projection(const StepBuilder& b) const;

  NormLayer norm_;
  TensorId normed_ = -1, d_logits_ = -1;
};

}  // namespace moesaic
