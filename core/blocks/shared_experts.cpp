#include "core/blocks/shared_experts.h"

#include "core/blocks/block.h"
#include "core/blocks/linear_layer.h"
#include "core/blocks/norm_layer.h"
#include "core/operators/activations.h"

namespace moesaic {

void declare_shared_experts(StepBuilder& b) {
  const Model& m = b.model();
  if (m.shared_intermediate == 0) return;
  b.parameter(in_layer(b, "shared_up"), 2 * m.shared_intermediate * m.hidden, true);
  b.parameter(in_layer(b, "shared_down"), m.hidden * m.shared_intermediate, true);
}

TensorId add_shared_experts(StepBuilder& b, TensorId x, TensorId normed) {
  const Model& m = b.model();
  if (m.shared_intermediate == 0) return x;
  const int64_t f = m.shared_intermediate;
  const LinearLayer up{"shared up", in_layer(b, "shared_up"), 2 * f, m.hidden, b.tokens()};
  const LinearLayer down{"shared down", in_layer(b, "shared_down"), m.hidden, f, b.tokens()};
  const TensorId hidden = up.forward(b, normed, in_layer(b, "shared_hidden"));
  OpShape gate;
  gate.n = f;
  gate.gated = true;
  const TensorId activated = b.activation(in_layer(b, "shared_activated"), b.tokens(), f);
  b.task(Op::activation, "shared activation", gate, b.tokens(), {{operands::Activation::u, hidden}},
         {{operands::Activation::a, activated}});
  return add_residual(b, "shared", x, down.forward(b, activated, in_layer(b, "shared_out")), "shared_sum");
}

}  // namespace moesaic
