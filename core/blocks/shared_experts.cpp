#include "core/blocks/shared_experts.h"

#include "core/blocks/block.h"
#include "core/blocks/linear_layer.h"
#include "core/blocks/norm_layer.h"
#include "core/operators/activations.h"

namespace moesaic {
namespace {

using operands::ActivationBackward;

int64_t width(const StepBuilder& b) { return b.model().shared_intermediate; }

LinearLayer up_projection(const StepBuilder& b) {
  return {"shared up", in_layer(b, "shared_up"), up_matrices(b.model()) * width(b), b.model().hidden, b.tokens()};
}

LinearLayer down_projection(const StepBuilder& b) {
  return {"shared down", in_layer(b, "shared_down"), b.model().hidden, width(b), b.tokens()};
}

}  // namespace

void SharedExperts::declare(StepBuilder& b) {
  if (width(b) == 0) return;
  for (const LinearLayer& layer : {up_projection(b), down_projection(b)})
    b.parameter(layer.weight, layer.out * layer.in, true);
}

TensorId SharedExperts::forward(StepBuilder& b, TensorId x, TensorId normed) {
  if (width(b) == 0) return x;
  normed_ = normed;
  hidden_ = up_projection(b).forward(b, normed, in_layer(b, "shared_hidden"));
  activated_ = b.activation(in_layer(b, "shared_activated"), b.tokens(), width(b));
  b.task(Op::activation, "shared activation", activation_shape(b, width(b)), b.tokens(),
         {{operands::Activation::u, hidden_}}, {{operands::Activation::a, activated_}});
  return add_residual(b, "shared", x, down_projection(b).forward(b, activated_, in_layer(b, "shared_out")),
                      "shared_sum");
}

TensorId SharedExperts::backward(StepBuilder& b, TensorId dy) const {
  if (width(b) == 0) return kNoTensor;
  const LinearLayer up = up_projection(b), down = down_projection(b);
  const TensorId d_activated = down.input_gradient(b, dy, in_layer(b, "d_shared_activated"));
  down.weight_gradient(b, dy, activated_);
  const TensorId d_hidden = b.activation(in_layer(b, "d_shared_hidden"), b.tokens(), up.out);
  b.task(Op::activation_backward, "shared activation", activation_shape(b, width(b)), b.tokens(),
         {{ActivationBackward::da, d_activated}, {ActivationBackward::u, hidden_}},
         {{ActivationBackward::du, d_hidden}});
  up.weight_gradient(b, d_hidden, normed_);
  return up.input_gradient(b, d_hidden, in_layer(b, "d_shared_norm2"));
}

}  // namespace moesaic
