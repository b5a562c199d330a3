#include "core/blocks/dense_ffn.h"

#include "core/blocks/linear_layer.h"
#include "core/blocks/tensor_parallel.h"
#include "core/operators/activations.h"

namespace moesaic {
namespace {

using operands::ActivationBackward;

/// Of this rank.
int64_t width(const StepBuilder& b) { return b.model().dense_intermediate / b.plan().layout.tp; }

LinearLayer up_projection(const StepBuilder& b) {
  return {"up", in_layer(b, "up"), up_matrices(b.model()) * width(b), b.model().hidden, group_tokens(b)};
}

LinearLayer down_projection(const StepBuilder& b) {
  return {"down", in_layer(b, "down"), b.model().hidden, width(b), group_tokens(b)};
}

}  // namespace

void DenseFfnBlock::declare(StepBuilder& b) const {
  const Model& m = b.model();
  NormLayer::declare(b, in_layer(b, "norm2"));
  const std::vector<int64_t> halves(static_cast<size_t>(up_matrices(m)), m.dense_intermediate);
  const std::string up = in_layer(b, "up"), down = in_layer(b, "down");
  const int64_t tp = b.plan().layout.tp;
  b.cut_parameter(up, cut_rows(up, halves, m.hidden, tp), true);
  b.cut_parameter(down, cut_columns(down, m.hidden, m.dense_intermediate, tp), true);
}

TensorId DenseFfnBlock::forward(StepBuilder& b, TensorId x) {
  const LinearLayer up = up_projection(b), down = down_projection(b);
  normed_ = gather_rows(b, "norm2", norm_.forward(b, in_layer(b, "norm2"), x, b.tokens()));
  hidden_ = up.forward(b, normed_, in_layer(b, "hidden"));
  activated_ = b.activation(in_layer(b, "activated"), up.rows, width(b));
  b.task(Op::activation, "activation", activation_shape(b, width(b)), up.rows, {{operands::Activation::u, hidden_}},
         {{operands::Activation::a, activated_}});
  const TensorId projected = sum_rows(b, "down", down.forward(b, activated_, in_layer(b, "down.out")));
  return add_residual(b, "ffn", x, projected, "ffn_sum");
}

TensorId DenseFfnBlock::backward(StepBuilder& b, TensorId dy) {
  const LinearLayer up = up_projection(b), down = down_projection(b);
  const TensorId d_out = gather_rows(b, "d_down", dy);
  const TensorId d_activated = down.input_gradient(b, d_out, in_layer(b, "d_activated"));
  down.weight_gradient(b, d_out, activated_);
  const TensorId d_hidden = b.activation(in_layer(b, "d_hidden"), up.rows, up.out);
  b.task(Op::activation_backward, "activation", activation_shape(b, width(b)), up.rows,
         {{ActivationBackward::da, d_activated}, {ActivationBackward::u, hidden_}},
         {{ActivationBackward::du, d_hidden}});
  const TensorId d_normed = sum_rows(b, "d_norm2", up.input_gradient(b, d_hidden, in_layer(b, "d_norm2")));
  up.weight_gradient(b, d_hidden, normed_);
  return norm_.backward(b, d_normed, dy);
}

}  // namespace moesaic
