#pragma once
// A matrix product with a parameter, and its two gradients: y [rows, out] = x [rows, in] w^T.

#include <string>

#include "core/blocks/step_builder.h"

namespace moesaic {

struct LinearLayer {
  std::string label;   // of its tasks: "qkv"
  std::string weight;  // its parameter: "layers.3.qkv"
  int64_t out, in;
  RowCount rows;

  TensorId forward(StepBuilder& b, TensorId x, const std::string& y_name) const;
  /// dy -> dx.
  TensorId input_gradient(StepBuilder& b, TensorId dy, const std::string& dx_name) const;
  /// Adds to the parameter's gradient.
  void weight_gradient(StepBuilder& b, TensorId dy, TensorId x) const;
};

}  // namespace moesaic
