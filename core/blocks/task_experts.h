#pragma once
// The MoE layer of a model that routes by task: x + expert_of_the_task(norm2(x)). A rank's rows stand task by task, as
// its slots do, so nothing is scored, permuted or sent.

#include "core/blocks/block.h"
#include "core/blocks/expert_ffn.h"
#include "core/blocks/norm_layer.h"

namespace moesaic {

class TaskExpertsBlock : public Block {
 public:
  void declare(StepBuilder& b) const override;
  TensorId forward(StepBuilder& b, TensorId x) override;
  TensorId backward(StepBuilder& b, TensorId dy) override;

 private:
  NormLayer norm_;
  ExpertFfn experts_;
};

}  // namespace moesaic
