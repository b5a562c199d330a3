// Normalisation with its residual: the part that attention, dense FFN, MoE and the head share.
#include "core/graph/blocks.h"
#include "core/operators/activations.h"
#include "core/operators/norms.h"

namespace moesaic {

OpShape linear_shape(int64_t out, int64_t in) {
  OpShape shape;
  shape.n = out;
  shape.k = in;
  return shape;
}

OpShape width_shape(int64_t width) {
  OpShape shape;
  shape.k = width;
  return shape;
}

std::string in_layer(const StepBuilder& b, const std::string& name) {
  return "layers." + std::to_string(b.scope().layer) + "." + name;
}

namespace {

using operands::Add, operands::NormBackward;

OpShape norm_shape(const StepBuilder& b) {
  OpShape shape = width_shape(b.model().hidden);
  shape.rms = b.model().norm == Norm::rms_norm;
  return shape;
}

std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

}  // namespace

void norm_forward(StepBuilder& b, const std::string& name, TensorId x, RowCount rows, Saved& saved) {
  saved.input = x;
  saved.normed = b.activation(name + ".out", rows, b.model().hidden);
  saved.statistics = b.activation(name + ".statistics", rows, 2, DType::f32);
  b.task(Op::norm, last_part(name), norm_shape(b), rows,
         {{operands::Norm::x, x}, {operands::Norm::gain_bias, b.weight(name)}},
         {{operands::Norm::y, saved.normed}, {operands::Norm::statistics, saved.statistics}});
}

TensorId norm_backward_and_add(StepBuilder& b, const std::string& name, TensorId d_normed, TensorId dy_residual,
                               RowCount rows, const Saved& saved) {
  const TensorId dx = b.activation(name + ".dx", rows, b.model().hidden);
  b.task(Op::norm_backward, last_part(name), norm_shape(b), rows,
         {{NormBackward::dy, d_normed},
          {NormBackward::x, saved.input},
          {NormBackward::statistics, saved.statistics},
          {NormBackward::gain_bias, b.weight(name)}},
         {{NormBackward::dx, dx}, {NormBackward::d_gain_bias, b.gradient(name)}});
  if (dy_residual < 0) return dx;
  const TensorId sum = b.activation(name + ".dx_sum", rows, b.model().hidden);
  b.task(Op::add, last_part(name) + " residual", width_shape(b.model().hidden), rows,
         {{Add::a, dx}, {Add::b, dy_residual}}, {{Add::sum, sum}});
  return sum;
}

}  // namespace moesaic
