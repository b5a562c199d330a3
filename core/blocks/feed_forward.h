#pragma once
// The layers inside a feed-forward network that every token passes: down(activation(up(x))), gated or not. What stands
// around it, norm, residual and the rows of a tensor-parallel group, is the block's; so are its parameters.

#include <string>

#include "core/blocks/linear_layer.h"
#include "core/blocks/step_builder.h"

namespace moesaic {

class FeedForward {
 public:
  /// `prefix`: of names in the layer, "" or "shared_": its parameters are "up" and "down" with that.
  explicit FeedForward(std::string prefix) : prefix_(std::move(prefix)) {}

  /// x -> [rows, hidden]. `width`: of the intermediate rows on this rank.
  TensorId forward(StepBuilder& b, TensorId x, int64_t width, RowCount rows);
  /// dy -> dx, called `dx_name`; the gradient of down's weight beside it.
  TensorId input_gradient(StepBuilder& b, TensorId dy, const std::string& dx_name);
  /// Behind input_gradient(): what comes of its dx may be on its way meanwhile.
  void up_weight_gradient(StepBuilder& b) const;

 private:
  LinearLayer up(const StepBuilder& b) const;
  LinearLayer down(const StepBuilder& b) const;
  std::string label(const std::string& name) const;

  const std::string prefix_;
  int64_t width_ = 0;
  RowCount rows_ = 0;
  TensorId x_ = -1, hidden_ = -1, activated_ = -1, d_hidden_ = -1;
};

}  // namespace moesaic
