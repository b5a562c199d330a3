// The FFN of layers without experts: x + down(activation(up(norm2(x)))). With tensor parallelism each rank has its part
// of the intermediate width.
#include "core/graph/blocks.h"
#include "core/operators/activations.h"
#include "core/operators/products.h"

namespace moesaic {
namespace {

using operands::ActivationBackward, operands::Add, operands::Linear, operands::LinearDgrad, operands::LinearWgrad;

OpShape activation_shape(const StepBuilder& b, int64_t width) {
  OpShape shape;
  shape.n = width;
  shape.gated = b.model().activation == Activation::swiglu;
  return shape;
}

/// Of this rank.
int64_t width(const StepBuilder& b) { return b.model().dense_intermediate / b.plan().layout.tp; }
int64_t up_width(const StepBuilder& b) { return width(b) * (b.model().activation == Activation::swiglu ? 2 : 1); }

}  // namespace

void declare_dense_ffn(StepBuilder& b, int layer) {
  const Model& m = b.model();
  const std::string prefix = "layers." + std::to_string(layer) + ".";
  b.parameter(prefix + "norm2", (m.norm == Norm::layer_norm ? 2 : 1) * m.hidden, false);
  const std::vector<int64_t> halves(m.activation == Activation::swiglu ? 2 : 1, m.dense_intermediate);
  const int64_t tp = b.plan().layout.tp;
  b.cut_parameter(prefix + "up", cut_rows(prefix + "up", halves, m.hidden, tp), true);
  b.cut_parameter(prefix + "down", cut_columns(prefix + "down", m.hidden, m.dense_intermediate, tp), true);
}

TensorId dense_ffn_forward(StepBuilder& b, TensorId x, Saved& saved) {
  const RowCount rows = group_tokens(b);
  const int64_t h = b.model().hidden, f = width(b);
  norm_forward(b, in_layer(b, "norm2"), x, b.tokens(), saved);
  saved.normed = gather_rows(b, "norm2", saved.normed);
  saved.hidden = b.activation(in_layer(b, "hidden"), rows, up_width(b));
  b.task(Op::linear, "up", linear_shape(up_width(b), h), rows,
         {{Linear::x, saved.normed}, {Linear::w, b.weight(in_layer(b, "up"))}}, {{Linear::y, saved.hidden}});
  saved.activated = b.activation(in_layer(b, "activated"), rows, f);
  b.task(Op::activation, "activation", activation_shape(b, f), rows, {{operands::Activation::u, saved.hidden}},
         {{operands::Activation::a, saved.activated}});
  const TensorId partial = b.activation(in_layer(b, "down.out"), rows, h);
  b.task(Op::linear, "down", linear_shape(h, f), rows,
         {{Linear::x, saved.activated}, {Linear::w, b.weight(in_layer(b, "down"))}}, {{Linear::y, partial}});
  const TensorId projected = sum_rows(b, "down", partial);
  const TensorId sum = b.activation(in_layer(b, "ffn_sum"), b.tokens(), h);
  b.task(Op::add, "ffn residual", width_shape(h), b.tokens(), {{Add::a, x}, {Add::b, projected}}, {{Add::sum, sum}});
  return sum;
}

TensorId dense_ffn_backward(StepBuilder& b, TensorId dy, const Saved& saved) {
  const RowCount rows = group_tokens(b);
  const int64_t h = b.model().hidden, f = width(b);
  const TensorId d_out = gather_rows(b, "d_down", dy);
  const TensorId d_activated = b.activation(in_layer(b, "d_activated"), rows, f);
  b.task(Op::linear_dgrad, "down dgrad", linear_shape(h, f), rows,
         {{LinearDgrad::dy, d_out}, {LinearDgrad::w, b.weight(in_layer(b, "down"))}}, {{LinearDgrad::dx, d_activated}});
  b.task(Op::linear_wgrad, "down wgrad", linear_shape(h, f), rows,
         {{LinearWgrad::dy, d_out}, {LinearWgrad::x, saved.activated}},
         {{LinearWgrad::dw, b.gradient(in_layer(b, "down"))}});
  const TensorId d_hidden = b.activation(in_layer(b, "d_hidden"), rows, up_width(b));
  b.task(Op::activation_backward, "activation", activation_shape(b, f), rows,
         {{ActivationBackward::da, d_activated}, {ActivationBackward::u, saved.hidden}},
         {{ActivationBackward::du, d_hidden}});
  const TensorId partial = b.activation(in_layer(b, "d_norm2"), rows, h);
  b.task(Op::linear_dgrad, "up dgrad", linear_shape(up_width(b), h), rows,
         {{LinearDgrad::dy, d_hidden}, {LinearDgrad::w, b.weight(in_layer(b, "up"))}}, {{LinearDgrad::dx, partial}});
  const TensorId d_normed = sum_rows(b, "d_norm2", partial);
  b.task(Op::linear_wgrad, "up wgrad", linear_shape(up_width(b), h), rows,
         {{LinearWgrad::dy, d_hidden}, {LinearWgrad::x, saved.normed}},
         {{LinearWgrad::dw, b.gradient(in_layer(b, "up"))}});
  return norm_backward_and_add(b, in_layer(b, "norm2"), d_normed, dy, b.tokens(), saved);
}

}  // namespace moesaic
