#include "core/blocks/dense_ffn.h"

#include "core/blocks/tensor_parallel.h"

namespace moesaic {

void DenseFfnBlock::declare(StepBuilder& b) const {
  const Model& m = b.model();
  NormLayer::declare(b, in_layer(b, "norm2"));
  const std::vector<RowBlock> halves(static_cast<size_t>(up_matrices(m)), m.dense_intermediate);
  const std::string up = in_layer(b, "up"), down = in_layer(b, "down");
  const int64_t tp = b.plan().layout.tp;
  b.cut_parameter(up, cut_rows(up, halves, m.hidden, tp), true);
  b.cut_parameter(down, cut_columns(down, m.hidden, m.dense_intermediate, tp), true);
}

TensorId DenseFfnBlock::forward(StepBuilder& b, TensorId x) {
  const TensorId normed = gather_rows(b, "norm2", norm_.forward(b, in_layer(b, "norm2"), x, b.tokens()));
  const int64_t width = b.model().dense_intermediate / b.plan().layout.tp;
  const TensorId projected = sum_rows(b, "down", layers_.forward(b, normed, width, group_tokens(b)));
  return add_residual(b, "ffn", x, projected, "ffn_sum");
}

TensorId DenseFfnBlock::backward(StepBuilder& b, TensorId dy) {
  const TensorId d_normed = sum_rows(b, "d_norm2", layers_.input_gradient(b, gather_rows(b, "d_down", dy), "d_norm2"));
  layers_.up_weight_gradient(b);
  return norm_.backward(b, d_normed, dy);
}

}  // namespace moesaic
