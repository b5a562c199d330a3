#pragma once
// The FFN of layers without experts: x + down(activation(up(norm2(x)))). With tensor parallelism each rank has its part
// of the intermediate width.

#include "core/blocks/block.h"
#include "core/blocks/feed_forward.h"
#include "core/blocks/norm_layer.h"

namespace moesaic {

class DenseFfnBlock : public Block {
 public:
  void declare(StepBuilder& b) const override;
  TensorId forward(StepBuilder& b, TensorId x) override;
  TensorId backward(StepBuilder& b, TensorId dy) override;

 private:
  NormLayer norm_;
  FeedForward layers_{""};
};

}  // namespace moesaic
