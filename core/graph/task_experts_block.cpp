// The MoE layer of a model that routes by task: x + expert_of_the_task(norm2(x)). A rank's rows stand task by task, as
// its slots do, so nothing is scored, permuted or sent.
#include "core/graph/blocks.h"
#include "core/operators/activations.h"
#include "core/operators/experts.h"

namespace moesaic {
namespace {

using operands::Add, operands::Experts, operands::ExpertsDgrad, operands::ExpertsWgrad;

OpShape expert_shape(const StepBuilder& b) {
  OpShape shape = linear_shape(b.model().expert_intermediate, b.model().hidden);
  shape.gated = b.model().activation == Activation::swiglu;
  return shape;
}

int64_t up_width(const StepBuilder& b) {
  return b.model().expert_intermediate * (b.model().activation == Activation::swiglu ? 2 : 1);
}

}  // namespace

void declare_task_experts(StepBuilder& b, int layer, int moe_layer) {
  const Model& m = b.model();
  const std::string prefix = "layers." + std::to_string(layer) + ".";
  b.parameter(prefix + "norm2", (m.norm == Norm::layer_norm ? 2 : 1) * m.hidden, false);
  const std::string up = prefix + "experts.up", down = prefix + "experts.down";
  b.expert_parameter(up, moe_layer, cut_rows(up, {up_width(b)}, m.hidden, 1));
  b.expert_parameter(down, moe_layer, cut_columns(down, m.hidden, m.expert_intermediate, 1));
}

TensorId task_experts_forward(StepBuilder& b, TensorId x, Saved& saved) {
  const RowCount t = b.tokens();
  const int64_t h = b.model().hidden;
  norm_forward(b, in_layer(b, "norm2"), x, t, saved);
  saved.expert_hidden = b.activation(in_layer(b, "expert_hidden"), t, up_width(b));
  saved.expert_activated = b.activation(in_layer(b, "expert_activated"), t, b.model().expert_intermediate);
  const TensorId out = b.activation(in_layer(b, "expert_out"), t, h);
  b.task(Op::experts, "experts", expert_shape(b), t,
         {{Experts::x, saved.normed},
          {Experts::counts, b.inputs().task_rows},
          {Experts::of_window(0, Experts::up), b.weight(in_layer(b, "experts.up"))},
          {Experts::of_window(0, Experts::down), b.weight(in_layer(b, "experts.down"))}},
         {{Experts::u, saved.expert_hidden}, {Experts::a, saved.expert_activated}, {Experts::y, out}});
  const TensorId sum = b.activation(in_layer(b, "moe_sum"), t, h);
  b.task(Op::add, "experts residual", width_shape(h), t, {{Add::a, x}, {Add::b, out}}, {{Add::sum, sum}});
  return sum;
}

TensorId task_experts_backward(StepBuilder& b, TensorId dy, const Saved& saved) {
  const RowCount t = b.tokens();
  const TensorId d_hidden = b.activation(in_layer(b, "d_expert_hidden"), t, up_width(b));
  const TensorId d_normed = b.activation(in_layer(b, "d_norm2"), t, b.model().hidden);
  b.task(Op::experts_dgrad, "experts dgrad", expert_shape(b), t,
         {{ExpertsDgrad::dy, dy},
          {ExpertsDgrad::counts, b.inputs().task_rows},
          {ExpertsDgrad::u, saved.expert_hidden},
          {ExpertsDgrad::of_window(0, ExpertsDgrad::up), b.weight(in_layer(b, "experts.up"))},
          {ExpertsDgrad::of_window(0, ExpertsDgrad::down), b.weight(in_layer(b, "experts.down"))}},
         {{ExpertsDgrad::du, d_hidden}, {ExpertsDgrad::dx, d_normed}});
  b.task(Op::experts_wgrad, "experts wgrad", expert_shape(b), t,
         {{ExpertsWgrad::counts, b.inputs().task_rows},
          {ExpertsWgrad::of_chunk(0, ExpertsWgrad::x), saved.normed},
          {ExpertsWgrad::of_chunk(0, ExpertsWgrad::a), saved.expert_activated},
          {ExpertsWgrad::of_chunk(0, ExpertsWgrad::dy), dy},
          {ExpertsWgrad::of_chunk(0, ExpertsWgrad::du), d_hidden}},
         {{ExpertsWgrad::d_up, b.gradient(in_layer(b, "experts.up"))},
          {ExpertsWgrad::d_down, b.gradient(in_layer(b, "experts.down"))}});
  return norm_backward_and_add(b, in_layer(b, "norm2"), d_normed, dy, t, saved);
}

}  // namespace moesaic
