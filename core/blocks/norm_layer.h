#pragma once
// Normalisation in front of a block, and where its gradient meets that of the residual.

#include <string>

#include "core/blocks/step_builder.h"

namespace moesaic {

class NormLayer {
 public:
  /// Gain, and bias where the model's norm has one; of rows of `hidden`, or of the first `width` elements of rows.
  static void declare(StepBuilder& b, const std::string& name);
  static void declare(StepBuilder& b, const std::string& name, int64_t width);

  /// x -> norm(x); what is wider than the gain passes through. `name`: of the parameter, "layers.3.norm1".
  TensorId forward(StepBuilder& b, const std::string& name, TensorId x, RowCount rows);
  /// dx = dy_residual + norm_backward(d_normed); no residual: kNoTensor.
  TensorId backward(StepBuilder& b, TensorId d_normed, TensorId dy_residual) const;

 private:
  std::string name_;
  RowCount rows_ = 0;
  TensorId input_ = -1, statistics_ = -1;
};

/// x + part, both [tokens, hidden], as a task called `what`.
TensorId add_residual(StepBuilder& b, const std::string& what, TensorId x, TensorId part, const std::string& sum_name);

}  // namespace moesaic
