#include "core/blocks/norm_layer.h"

#include "core/blocks/block.h"
#include "core/operators/activations.h"
#include "core/operators/norms.h"

namespace moesaic {
namespace {

using operands::Add, operands::NormBackward;

int64_t vectors(const StepBuilder& b) { return b.model().norm_vectors(); }
int64_t row_elements(StepBuilder& b, TensorId id) { return b.graph().tensors[id].row_elements; }

/// As wide as the gain.
OpShape norm_shape(StepBuilder& b, const std::string& name) {
  OpShape shape = width_shape(row_elements(b, b.weight(name)) / vectors(b));
  shape.rms = b.model().norm == Norm::rms_norm;
  return shape;
}

std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

}  // namespace

void NormLayer::declare(StepBuilder& b, const std::string& name) { declare(b, name, b.model().hidden); }

void NormLayer::declare(StepBuilder& b, const std::string& name, int64_t width) {
  b.parameter(name, vectors(b) * width, false);
}

TensorId NormLayer::forward(StepBuilder& b, const std::string& name, TensorId x, RowCount rows) {
  name_ = name;
  rows_ = rows;
  input_ = x;
  const TensorId normed = b.activation(name + ".out", rows, row_elements(b, x));
  statistics_ = b.activation(name + ".statistics", rows, 2, DType::f32);
  b.task(Op::norm, last_part(name), norm_shape(b, name), rows,
         {{operands::Norm::x, x}, {operands::Norm::gain_bias, b.weight(name)}},
         {{operands::Norm::y, normed}, {operands::Norm::statistics, statistics_}});
  return normed;
}

TensorId NormLayer::backward(StepBuilder& b, TensorId d_normed, TensorId dy_residual) const {
  const TensorId dx = b.activation(name_ + ".dx", rows_, row_elements(b, input_));
  b.task(Op::norm_backward, last_part(name_), norm_shape(b, name_), rows_,
         {{NormBackward::dy, d_normed},
          {NormBackward::x, input_},
          {NormBackward::statistics, statistics_},
          {NormBackward::gain_bias, b.weight(name_)}},
         {{NormBackward::dx, dx}, {NormBackward::d_gain_bias, b.gradient(name_)}});
  if (dy_residual == kNoTensor) return dx;
  const TensorId sum = b.activation(name_ + ".dx_sum", rows_, b.model().hidden);
  b.task(Op::add, last_part(name_) + " residual", width_shape(b.model().hidden), rows_,
         {{Add::a, dx}, {Add::b, dy_residual}}, {{Add::sum, sum}});
  return sum;
}

TensorId add_residual(StepBuilder& b, const std::string& what, TensorId x, TensorId part, const std::string& sum_name) {
  const TensorId sum = b.activation(in_layer(b, sum_name), b.tokens(), b.model().hidden);
  b.task(Op::add, what + " residual", width_shape(b.model().hidden), b.tokens(), {{Add::a, x}, {Add::b, part}},
         {{Add::sum, sum}});
  return sum;
}

}  // namespace moesaic
