#include "core/blocks/task_experts.h"

namespace moesaic {

void TaskExpertsBlock::declare(StepBuilder& b) const {
  NormLayer::declare(b, in_layer(b, "norm2"));
  ExpertFfn::declare(b);
}

TensorId TaskExpertsBlock::forward(StepBuilder& b, TensorId x) {
  const TensorId normed = norm_.forward(b, in_layer(b, "norm2"), x, b.tokens());
  const TensorId out = experts_.forward(b, normed, b.inputs().task_rows, b.tokens(), b.activation_dtype());
  return add_residual(b, "experts", x, out, "moe_sum");
}

TensorId TaskExpertsBlock::backward(StepBuilder& b, TensorId dy) {
  const ExpertFfn::Gradients gradients = experts_.input_gradient(b, dy, "d_norm2");
  experts_.weight_gradient(b, dy, gradients.hidden);
  return norm_.backward(b, gradients.x, dy);
}

}  // namespace moesaic
