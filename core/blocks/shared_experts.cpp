#include "core/blocks/shared_experts.h"

#include "core/blocks/block.h"
#include "core/blocks/norm_layer.h"

namespace moesaic {
namespace {

int64_t width(const StepBuilder& b) { return b.model().shared_intermediate; }

}  // namespace

void SharedExperts::declare(StepBuilder& b) {
  if (width(b) == 0) return;
  b.parameter(in_layer(b, "shared_up"), up_matrices(b.model()) * width(b) * b.model().hidden, true);
  b.parameter(in_layer(b, "shared_down"), b.model().hidden * width(b), true);
}

TensorId SharedExperts::forward(StepBuilder& b, TensorId x, TensorId normed) {
  if (width(b) == 0) return x;
  return add_residual(b, "shared", x, layers_.forward(b, normed, width(b), b.tokens()), "shared_sum");
}

TensorId SharedExperts::backward(StepBuilder& b, TensorId dy) {
  if (width(b) == 0) return kNoTensor;
  const TensorId d_normed = layers_.input_gradient(b, dy, "d_shared_norm2");
  layers_.up_weight_gradient(b);
  return d_normed;
}

}  // namespace moesaic
