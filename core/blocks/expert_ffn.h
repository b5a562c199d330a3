#pragma once
// The feed-forward networks of a layer's expert slots, gated (SwiGLU) or not, forward and backward: what every layer
// with experts is built around, whoever chooses the expert. A slot holds an expert, or a slice of one.

#include <string>

#include "core/blocks/step_builder.h"

namespace moesaic {

class ExpertFfn {
 public:
  /// "experts.up" and "experts.down" of the layer in scope, cut into the plan's slices.
  static void declare(StepBuilder& b);

  /// x: rows in the order of slots, [rows, hidden]; counts: rows per expert. `between`: the type of what the activation
  /// writes, forward and backward.
  TensorId forward(StepBuilder& b, TensorId x, TensorId counts, RowCount rows, DType between);

  struct Gradients {
    TensorId hidden, x;
  };
  Gradients input_gradient(StepBuilder& b, TensorId dy, const std::string& dx_name) const;
  void weight_gradient(StepBuilder& b, TensorId dy, TensorId d_hidden) const;

 private:
  RowCount rows_ = 0;
  DType between_ = DType::f32;
  TensorId x_ = -1, counts_ = -1, hidden_ = -1, activated_ = -1;
};

}  // namespace moesaic
