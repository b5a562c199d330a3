#include "core/blocks/expert_ffn.h"

#include "core/blocks/block.h"
#include "core/operators/experts.h"

namespace moesaic {
namespace {

using operands::Experts, operands::ExpertsDgrad, operands::ExpertsWgrad;

int64_t slot_width(const StepBuilder& b) { return b.model().expert_intermediate / b.plan().layout.expert_slices; }
int64_t up_width(const StepBuilder& b) { return up_matrices(b.model()) * slot_width(b); }

OpShape expert_shape(const StepBuilder& b) {
  OpShape shape = linear_shape(slot_width(b), b.model().hidden);
  shape.gated = b.model().activation == Activation::swiglu;
  return shape;
}

}  // namespace

void ExpertFfn::declare(StepBuilder& b) {
  const Model& m = b.model();
  const int64_t slices = b.plan().layout.expert_slices;
  const std::vector<RowBlock> halves(static_cast<size_t>(up_matrices(m)), m.expert_intermediate);
  const std::string up = in_layer(b, "experts.up"), down = in_layer(b, "experts.down");
  b.expert_parameter(up, cut_rows(up, halves, m.hidden, slices));
  b.expert_parameter(down, cut_columns(down, m.hidden, m.expert_intermediate, slices));
}

TensorId ExpertFfn::forward(StepBuilder& b, TensorId x, TensorId counts, RowCount rows, DType between) {
  rows_ = rows;
  between_ = between;
  x_ = x;
  counts_ = counts;
  hidden_ = b.activation(in_layer(b, "expert_hidden"), rows, up_width(b));
  activated_ = b.activation(in_layer(b, "expert_activated"), rows, slot_width(b), between);
  const TensorId y = b.activation(in_layer(b, "expert_out"), rows, b.model().hidden);
  b.task(Op::experts, "experts", expert_shape(b), rows,
         {{Experts::x, x},
          {Experts::counts, counts},
          {Experts::of_window(0, Experts::up), b.weight(in_layer(b, "experts.up"))},
          {Experts::of_window(0, Experts::down), b.weight(in_layer(b, "experts.down"))}},
         {{Experts::u, hidden_}, {Experts::a, activated_}, {Experts::y, y}});
  return y;
}

ExpertFfn::Gradients ExpertFfn::input_gradient(StepBuilder& b, TensorId dy, const std::string& dx_name) const {
  const TensorId d_hidden = b.activation(in_layer(b, "d_expert_hidden"), rows_, up_width(b), between_);
  const TensorId dx = b.activation(in_layer(b, dx_name), rows_, b.model().hidden);
  b.task(Op::experts_dgrad, "experts dgrad", expert_shape(b), rows_,
         {{ExpertsDgrad::dy, dy},
          {ExpertsDgrad::counts, counts_},
          {ExpertsDgrad::u, hidden_},
          {ExpertsDgrad::of_window(0, ExpertsDgrad::up), b.weight(in_layer(b, "experts.up"))},
          {ExpertsDgrad::of_window(0, ExpertsDgrad::down), b.weight(in_layer(b, "experts.down"))}},
         {{ExpertsDgrad::du, d_hidden}, {ExpertsDgrad::dx, dx}});
  return {d_hidden, dx};
}

void ExpertFfn::weight_gradient(StepBuilder& b, TensorId dy, TensorId d_hidden) const {
  b.task(Op::experts_wgrad, "experts wgrad", expert_shape(b), rows_,
         {{ExpertsWgrad::counts, counts_},
          {ExpertsWgrad::of_chunk(0, ExpertsWgrad::x), x_},
          {ExpertsWgrad::of_chunk(0, ExpertsWgrad::a), activated_},
          {ExpertsWgrad::of_chunk(0, ExpertsWgrad::dy), dy},
          {ExpertsWgrad::of_chunk(0, ExpertsWgrad::du), d_hidden}},
         {{ExpertsWgrad::d_up, b.gradient(in_layer(b, "experts.up"))},
          {ExpertsWgrad::d_down, b.gradient(in_layer(b, "experts.down"))}});
}

}  // namespace moesaic
