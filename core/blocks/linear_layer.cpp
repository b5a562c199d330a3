#include "core/blocks/linear_layer.h"

#include "core/blocks/block.h"
#include "core/operators/products.h"

namespace moesaic {

TensorId LinearLayer::forward(StepBuilder& b, TensorId x, const std::string& y_name) const {
  using operand = operands::Linear;
  const TensorId y = b.activation(y_name, rows, out);
  b.task(Op::linear, label, linear_shape(out, in), rows, {{operand::x, x}, {operand::w, b.weight(weight)}},
         {{operand::y, y}});
  return y;
}

TensorId LinearLayer::input_gradient(StepBuilder& b, TensorId dy, const std::string& dx_name) const {
  using operand = operands::LinearDgrad;
  const TensorId dx = b.activation(dx_name, rows, in);
  b.task(Op::linear_dgrad, label + " dgrad", linear_shape(out, in), rows,
         {{operand::dy, dy}, {operand::w, b.weight(weight)}}, {{operand::dx, dx}});
  return dx;
}

void LinearLayer::weight_gradient(StepBuilder& b, TensorId dy, TensorId x) const {
  using operand = operands::LinearWgrad;
  b.task(Op::linear_wgrad, label + " wgrad", linear_shape(out, in), rows, {{operand::dy, dy}, {operand::x, x}},
         {{operand::dw, b.gradient(weight)}});
}

}  // namespace moesaic
