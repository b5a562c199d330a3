// The FFN of layers without experts: x + down(activation(up(norm2(x)))).
#include "core/graph/blocks.h"

namespace moesaic {
namespace {

OpShape activation_shape(const StepBuilder& b, int64_t width) {
  OpShape shape;
  shape.n = width;
  shape.gated = b.model().activation == Activation::swiglu;
  return shape;
}

int64_t up_width(const StepBuilder& b) {
  return b.model().dense_intermediate * (b.model().activation == Activation::swiglu ? 2 : 1);
}

}  // namespace

void declare_dense_ffn(StepBuilder& b, int layer) {
  const Model& m = b.model();
  const std::string prefix = "layers." + std::to_string(layer) + ".";
  b.parameter(prefix + "norm2", (m.norm == Norm::layer_norm ? 2 : 1) * m.hidden, false);
  b.parameter(prefix + "up", up_width(b) * m.hidden, true);
  b.parameter(prefix + "down", m.hidden * m.dense_intermediate, true);
}

TensorId dense_ffn_forward(StepBuilder& b, TensorId x, Saved& saved) {
  const RowCount t = b.tokens();
  const int64_t h = b.model().hidden, f = b.model().dense_intermediate;
  norm_forward(b, in_layer(b, "norm2"), x, t, saved);
  saved.hidden = b.activation(in_layer(b, "hidden"), t, up_width(b));
  b.task(Op::linear, "up", linear_shape(up_width(b), h), t, {saved.normed, b.weight(in_layer(b, "up"))},
         {saved.hidden});
  saved.activated = b.activation(in_layer(b, "activated"), t, f);
  b.task(Op::activation, "activation", activation_shape(b, f), t, {saved.hidden}, {saved.activated});
  const TensorId projected = b.activation(in_layer(b, "down.out"), t, h);
  b.task(Op::linear, "down", linear_shape(h, f), t, {saved.activated, b.weight(in_layer(b, "down"))}, {projected});
  const TensorId sum = b.activation(in_layer(b, "ffn_sum"), t, h);
  b.task(Op::add, "ffn residual", width_shape(h), t, {x, projected}, {sum});
  return sum;
}

TensorId dense_ffn_backward(StepBuilder& b, TensorId dy, const Saved& saved) {
  const RowCount t = b.tokens();
  const int64_t h = b.model().hidden, f = b.model().dense_intermediate;
  const TensorId d_activated = b.activation(in_layer(b, "d_activated"), t, f);
  b.task(Op::linear_dgrad, "down dgrad", linear_shape(h, f), t, {dy, b.weight(in_layer(b, "down"))}, {d_activated});
  b.task(Op::linear_wgrad, "down wgrad", linear_shape(h, f), t, {dy, saved.activated},
         {b.gradient(in_layer(b, "down"))});
  const TensorId d_hidden = b.activation(in_layer(b, "d_hidden"), t, up_width(b));
  b.task(Op::activation_backward, "activation", activation_shape(b, f), t, {d_activated, saved.hidden}, {d_hidden});
  const TensorId d_normed = b.activation(in_layer(b, "d_norm2"), t, h);
  b.task(Op::linear_dgrad, "up dgrad", linear_shape(up_width(b), h), t, {d_hidden, b.weight(in_layer(b, "up"))},
         {d_normed});
  b.task(Op::linear_wgrad, "up wgrad", linear_shape(up_width(b), h), t, {d_hidden, saved.normed},
         {b.gradient(in_layer(b, "up"))});
  return norm_backward_and_add(b, in_layer(b, "norm2"), d_normed, dy, t, saved);
}

}  // namespace moesaic
