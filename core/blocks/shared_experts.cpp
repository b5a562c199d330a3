#include "core/blocks/shared_experts.h"

#include "core/blocks/block.h"

namespace moesaic {
namespace {

int64_t width(const StepBuilder& b) { return b.model().shared_intermediate; }
int width_parts(const StepBuilder& b) { return b.plan().layout.token_copies(); }

}  // namespace

void SharedExperts::declare(StepBuilder& b) {
  if (width(b) == 0) return;
  const int64_t hidden = b.model().hidden;
  const std::string up = in_layer(b, "shared_up"), down = in_layer(b, "shared_down");
  if (width_parts(b) == 1) {
    b.parameter(up, up_matrices(b.model()) * width(b) * hidden, true);
    b.parameter(down, hidden * width(b), true);
    return;
  }
  const std::vector<RowBlock> halves(static_cast<size_t>(up_matrices(b.model())), width(b));
  b.cut_parameter(up, cut_rows(up, halves, hidden, width_parts(b)), true);
  b.cut_parameter(down, cut_columns(down, hidden, width(b), width_parts(b)), true);
}

TensorId SharedExperts::forward(StepBuilder& b, TensorId normed) {
  if (width(b) == 0) return kNoTensor;
  return layers_.forward(b, normed, width(b) / width_parts(b), b.tokens());
}

TensorId SharedExperts::backward(StepBuilder& b, TensorId dy) {
  if (width(b) == 0) return kNoTensor;
  const TensorId d_normed = layers_.input_gradient(b, dy, "d_shared_norm2");
  layers_.up_weight_gradient(b);
  return d_normed;
}

}  // namespace moesaic
