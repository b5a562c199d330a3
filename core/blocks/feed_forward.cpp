#include "core/blocks/feed_forward.h"

#include <algorithm>

#include "core/blocks/block.h"
#include "core/operators/activations.h"

namespace moesaic {

using operands::ActivationBackward;

/// "shared up"
std::string FeedForward::label(const std::string& name) const {
  std::string label = prefix_ + name;
  std::replace(label.begin(), label.end(), '_', ' ');
  return label;
}

LinearLayer FeedForward::up(const StepBuilder& b) const {
  return {label("up"), in_layer(b, prefix_ + "up"), up_matrices(b.model()) * width_, b.model().hidden, rows_};
}

LinearLayer FeedForward::down(const StepBuilder& b) const {
  return {label("down"), in_layer(b, prefix_ + "down"), b.model().hidden, width_, rows_};
}

TensorId FeedForward::forward(StepBuilder& b, TensorId x, int64_t width, RowCount rows) {
  x_ = x;
  width_ = width;
  rows_ = rows;
  hidden_ = up(b).forward(b, x, in_layer(b, prefix_ + "hidden"));
  activated_ = b.activation(in_layer(b, prefix_ + "activated"), rows, width);
  b.task(Op::activation, label("activation"), activation_shape(b, width), rows, {{operands::Activation::u, hidden_}},
         {{operands::Activation::a, activated_}});
  return down(b).forward(b, activated_, in_layer(b, prefix_ + "down.out"));
}

TensorId FeedForward::input_gradient(StepBuilder& b, TensorId dy, const std::string& dx_name) {
  const TensorId d_activated = down(b).input_gradient(b, dy, in_layer(b, "d_" + prefix_ + "activated"));
  down(b).weight_gradient(b, dy, activated_);
  d_hidden_ = b.activation(in_layer(b, "d_" + prefix_ + "hidden"), rows_, up(b).out);
  b.task(Op::activation_backward, label("activation"), activation_shape(b, width_), rows_,
         {{ActivationBackward::da, d_activated}, {ActivationBackward::u, hidden_}},
         {{ActivationBackward::du, d_hidden_}});
  return up(b).input_gradient(b, d_hidden_, in_layer(b, dx_name));
}

void FeedForward::up_weight_gradient(StepBuilder& b) const { up(b).weight_gradient(b, d_hidden_, x_); }

}  // namespace moesaic
