// The MoE layer: x + unpermute(combine(experts(dispatch(permute(norm2(x)))))). Where one rank holds all experts,
// nothing is sent.
#include "core/graph/blocks.h"
#include "core/operators/activations.h"
#include "core/operators/collectives.h"
#include "core/operators/experts.h"
#include "core/operators/products.h"
#include "core/operators/router.h"
#include "core/operators/row_movers.h"

namespace moesaic {
namespace {

using operands::Add, operands::Collective, operands::Experts, operands::ExpertsDgrad, operands::ExpertsWgrad,
    operands::Linear, operands::Permute, operands::PermuteBackward, operands::Router, operands::RouterBackward,
    operands::Unpermute, operands::UnpermuteBackward;

OpShape router_shape(const StepBuilder& b) {
  OpShape shape = linear_shape(b.model().num_experts, b.model().hidden);
  shape.top_k = b.model().top_k;
  return shape;
}

/// Of one slot: an expert, or a slice of one.
int64_t slot_width(const StepBuilder& b) { return b.model().expert_intermediate / b.plan().layout.expert_slices; }
int64_t up_matrices(const StepBuilder& b) { return b.model().activation == Activation::swiglu ? 2 : 1; }

OpShape expert_shape(const StepBuilder& b) {
  OpShape shape = linear_shape(slot_width(b), b.model().hidden);
  shape.gated = b.model().activation == Activation::swiglu;
  return shape;
}

/// A choice sends a row to every slice of its expert; their results add up.
OpShape choice_shape(const StepBuilder& b) {
  OpShape shape = width_shape(b.model().hidden);
  shape.top_k = b.model().top_k * b.plan().layout.expert_slices;
  return shape;
}

bool sends(const StepBuilder& b) { return b.plan().layout.ep > 1; }

/// Rows in send order on their source -> rows in slot order on the experts' ranks, as operands. `what` names the data:
/// "dispatch" or "combine gradient".
TensorId to_experts(StepBuilder& b, const std::string& what, TensorId send, TensorId counts) {
  if (!sends(b)) return send;
  const TensorId arrived =
      b.routed(in_layer(b, what + ".arrived"), Rows::received, b.model().hidden, b.operand_dtype());
  b.all_to_all(what, Leg::dispatch, send, counts, arrived);
  const TensorId grouped =
      b.routed(in_layer(b, what + ".grouped"), Rows::received, b.model().hidden, b.operand_dtype());
  b.regroup(what + " regroup", Regroup::to_slots, arrived, counts, grouped);
  return grouped;
}

/// The way back.
TensorId from_experts(StepBuilder& b, const std::string& what, TensorId grouped, TensorId counts) {
  if (!sends(b)) return grouped;
  const TensorId leaving = b.routed(in_layer(b, what + ".leaving"), Rows::received, b.model().hidden);
  b.regroup(what + " regroup", Regroup::from_slots, grouped, counts, leaving);
  const TensorId returned = b.routed(in_layer(b, what + ".returned"), Rows::sent, b.model().hidden);
  b.all_to_all(what, Leg::combine, leaving, counts, returned);
  return returned;
}

int64_t count_elements(const StepBuilder& b) { return b.model().num_experts * b.plan().dispatch.chunks; }

/// Each member's part of all_gather is what `parts` hold one after the other.
void gather_counts(StepBuilder& b, const std::string& what, Announces announces, int communicator,
                   std::vector<TensorId> parts, TensorId to) {
  Task& gather = b.task(Op::all_gather, what, {}, 0, {}, {{Collective::received, to}});
  gather.reads = std::move(parts);
  gather.lane = Lane::network;
  gather.announces = announces;
  gather.communicator = communicator;
  gather.bytes = bytes_of(DType::i32, static_cast<int64_t>(gather.reads.size()) * count_elements(b));
}

/// router -> {probabilities, route, own counts}; then the counts of the ranks whose rows meet in the layer.
void route(StepBuilder& b, Saved& saved) {
  const Model& m = b.model();
  saved.probabilities = b.activation(in_layer(b, "probabilities"), b.tokens(), m.num_experts, DType::f32);
  // Per choice: expert (i32), weight (f32), and for every slice of the expert the row in the send buffer (i32).
  saved.route =
      b.activation(in_layer(b, "route"), b.tokens(), (2 + b.plan().layout.expert_slices) * m.top_k, DType::i32);
  saved.local_counts = b.activation(in_layer(b, "local_counts"), 1, count_elements(b), DType::i32);
  Task& router = b.task(Op::router, "router", router_shape(b), b.tokens(),
                        {{Router::z, saved.normed}, {Router::w, b.weight(in_layer(b, "router"))}},
                        {{Router::probabilities, saved.probabilities},
                         {Router::route, saved.route},
                         {Router::local_counts, saved.local_counts}});
  saved.counts = saved.stage_counts = saved.local_counts;
  const int ep = b.plan().layout.ep;
  if (ep == 1) {
    router.announces = Announces::group_counts;
    return;
  }
  saved.counts = saved.stage_counts = b.activation(in_layer(b, "counts"), ep, count_elements(b), DType::i32);
  gather_counts(b, "exchange counts", Announces::group_counts,
                ep == b.plan().layout.stage_ranks() ? b.replicas() : b.communicator("ep"), {saved.local_counts},
                saved.counts);
}

/// Experts that every token passes through (DeepSeek): a dense FFN beside the routed ones, added to the residual.
/// Inference only.
TensorId shared_experts(StepBuilder& b, TensorId x, TensorId normed) {
  const Model& m = b.model();
  if (m.shared_intermediate == 0) return x;
  const RowCount t = b.tokens();
  const int64_t f = m.shared_intermediate;
  const TensorId hidden = b.activation(in_layer(b, "shared_hidden"), t, 2 * f);
  b.task(Op::linear, "shared up", linear_shape(2 * f, m.hidden), t,
         {{Linear::x, normed}, {Linear::w, b.weight(in_layer(b, "shared_up"))}}, {{Linear::y, hidden}});
  OpShape gate;
  gate.n = f;
  gate.gated = true;
  const TensorId activated = b.activation(in_layer(b, "shared_activated"), t, f);
  b.task(Op::activation, "shared activation", gate, t, {{operands::Activation::u, hidden}},
         {{operands::Activation::a, activated}});
  const TensorId projected = b.activation(in_layer(b, "shared_out"), t, m.hidden);
  b.task(Op::linear, "shared down", linear_shape(m.hidden, f), t,
         {{Linear::x, activated}, {Linear::w, b.weight(in_layer(b, "shared_down"))}}, {{Linear::y, projected}});
  const TensorId sum = b.activation(in_layer(b, "shared_sum"), t, m.hidden);
  b.task(Op::add, "shared residual", width_shape(m.hidden), t, {{Add::a, x}, {Add::b, projected}}, {{Add::sum, sum}});
  return sum;
}

void weight_gradients(StepBuilder& b, const Saved& saved, TensorId d_out, TensorId d_hidden) {
  b.routed_task(Op::experts_wgrad, "experts wgrad", expert_shape(b), Rows::received,
                {{ExpertsWgrad::counts, saved.counts},
                 {ExpertsWgrad::of_chunk(0, ExpertsWgrad::x), saved.received},
                 {ExpertsWgrad::of_chunk(0, ExpertsWgrad::a), saved.expert_activated},
                 {ExpertsWgrad::of_chunk(0, ExpertsWgrad::dy), d_out},
                 {ExpertsWgrad::of_chunk(0, ExpertsWgrad::du), d_hidden}},
                {{ExpertsWgrad::d_up, b.gradient(in_layer(b, "experts.up"))},
                 {ExpertsWgrad::d_down, b.gradient(in_layer(b, "experts.down"))}});
}

/// What the router leaves of the gradient of its input, to which permute's is added; its weights' beside it.
TensorId router_gradient(StepBuilder& b, const Saved& saved, TensorId d_weights) {
  const TensorId d_normed = b.activation(in_layer(b, "d_norm2"), b.tokens(), b.model().hidden);
  b.task(Op::router_backward, "router", router_shape(b), b.tokens(),
         {{RouterBackward::d_weights, d_weights},
          {RouterBackward::probabilities, saved.probabilities},
          {RouterBackward::route, saved.route},
          {RouterBackward::counts, saved.stage_counts},
          {RouterBackward::z, saved.normed},
          {RouterBackward::w, b.weight(in_layer(b, "router"))}},
         {{RouterBackward::dz, d_normed},
          {RouterBackward::dw, b.gradient(in_layer(b, "router"))},
          {RouterBackward::loss, b.inputs().loss}});
  return d_normed;
}

}  // namespace

void declare_moe(StepBuilder& b, int layer, int moe_layer) {
  const Model& m = b.model();
  const std::string prefix = "layers." + std::to_string(layer) + ".";
  b.parameter(prefix + "norm2", (m.norm == Norm::layer_norm ? 2 : 1) * m.hidden, false);
  b.parameter(prefix + "router", m.num_experts * m.hidden, true);
  const std::vector<int64_t> halves(static_cast<size_t>(up_matrices(b)), m.expert_intermediate);
  const std::string up = prefix + "experts.up", down = prefix + "experts.down";
  const int64_t slices = b.plan().layout.expert_slices;
  b.expert_parameter(up, moe_layer, cut_rows(up, halves, m.hidden, slices));
  b.expert_parameter(down, moe_layer, cut_columns(down, m.hidden, m.expert_intermediate, slices));
  if (m.shared_intermediate > 0) {
    b.parameter(prefix + "shared_up", 2 * m.shared_intermediate * m.hidden, true);
    b.parameter(prefix + "shared_down", m.hidden * m.shared_intermediate, true);
  }
}

TensorId moe_forward(StepBuilder& b, TensorId x, Saved& saved) {
  const Model& m = b.model();
  const RowCount t = b.tokens();
  norm_forward(b, in_layer(b, "norm2"), x, t, saved);
  route(b, saved);
  const TensorId residual = shared_experts(b, x, saved.normed);
  const TensorId send = b.routed(in_layer(b, "send"), Rows::sent, m.hidden, b.operand_dtype());
  b.routed_task(Op::permute, "permute", choice_shape(b), Rows::sent,
                {{Permute::z, saved.normed}, {Permute::route, saved.route}, {Permute::counts, saved.counts}},
                {{Permute::send, send}});
  saved.received = to_experts(b, "dispatch", send, saved.counts);
  const int64_t up_width = up_matrices(b) * slot_width(b);
  saved.expert_hidden = b.routed(in_layer(b, "expert_hidden"), Rows::received, up_width);
  saved.expert_activated = b.routed(in_layer(b, "expert_activated"), Rows::received, slot_width(b), b.operand_dtype());
  const TensorId out = b.routed(in_layer(b, "expert_out"), Rows::received, m.hidden);
  b.routed_task(Op::experts, "experts", expert_shape(b), Rows::received,
                {{Experts::x, saved.received},
                 {Experts::counts, saved.counts},
                 {Experts::of_window(0, Experts::up), b.weight(in_layer(b, "experts.up"))},
                 {Experts::of_window(0, Experts::down), b.weight(in_layer(b, "experts.down"))}},
                {{Experts::u, saved.expert_hidden}, {Experts::a, saved.expert_activated}, {Experts::y, out}});
  saved.returned = from_experts(b, "combine", out, saved.counts);
  const TensorId sum = b.activation(in_layer(b, "moe_sum"), t, m.hidden);
  b.routed_task(
      Op::unpermute, "unpermute", choice_shape(b), Rows::sent,
      {{Unpermute::returned, saved.returned}, {Unpermute::route, saved.route}, {Unpermute::residual, residual}},
      {{Unpermute::sum, sum}});
  return sum;
}

TensorId moe_backward(StepBuilder& b, TensorId dy, const Saved& saved) {
  const Model& m = b.model();
  const RowCount t = b.tokens();
  const TensorId d_returned = b.routed(in_layer(b, "d_returned"), Rows::sent, m.hidden, b.operand_dtype());
  const TensorId d_weights = b.activation(in_layer(b, "d_weights"), t, m.top_k, DType::f32);
  b.routed_task(Op::unpermute_backward, "unpermute", choice_shape(b), Rows::sent,
                {{UnpermuteBackward::d_sum, dy},
                 {UnpermuteBackward::returned, saved.returned},
                 {UnpermuteBackward::route, saved.route}},
                {{UnpermuteBackward::d_returned, d_returned}, {UnpermuteBackward::d_weights, d_weights}});
  const TensorId d_out = to_experts(b, "combine gradient", d_returned, saved.counts);
  const int64_t up_width = up_matrices(b) * slot_width(b);
  const TensorId d_hidden = b.routed(in_layer(b, "d_expert_hidden"), Rows::received, up_width, b.operand_dtype());
  const TensorId d_received = b.routed(in_layer(b, "d_received"), Rows::received, m.hidden);
  b.routed_task(Op::experts_dgrad, "experts dgrad", expert_shape(b), Rows::received,
                {{ExpertsDgrad::dy, d_out},
                 {ExpertsDgrad::counts, saved.counts},
                 {ExpertsDgrad::u, saved.expert_hidden},
                 {ExpertsDgrad::of_window(0, ExpertsDgrad::up), b.weight(in_layer(b, "experts.up"))},
                 {ExpertsDgrad::of_window(0, ExpertsDgrad::down), b.weight(in_layer(b, "experts.down"))}},
                {{ExpertsDgrad::du, d_hidden}, {ExpertsDgrad::dx, d_received}});
  const TensorId d_send = from_experts(b, "dispatch gradient", d_received, saved.counts);
  // After the send has been issued, so that it hides behind the weight gradients.
  weight_gradients(b, saved, d_out, d_hidden);
  const TensorId d_normed = router_gradient(b, saved, d_weights);
  b.routed_task(
      Op::permute_backward, "permute", choice_shape(b), Rows::sent,
      {{PermuteBackward::d_send, d_send}, {PermuteBackward::route, saved.route}, {PermuteBackward::dz, d_normed}},
      {{PermuteBackward::sum, d_normed}});
  return norm_backward_and_add(b, in_layer(b, "norm2"), d_normed, dy, t, saved);
}

void gather_stage_counts(StepBuilder& b, const std::vector<Saved*>& layers) {
  const int ranks = b.plan().layout.stage_ranks();
  const bool unread = b.model().auxiliary_coefficient == 0 && b.plan().expert_storage.home == Tier::device;
  if (layers.empty() || unread || b.plan().layout.ep == ranks) return;
  const int64_t all = static_cast<int64_t>(layers.size()) * count_elements(b);
  const TensorId own = b.activation("local_counts", 1, all, DType::i32);
  const TensorId gathered = b.activation("stage_counts", ranks, all, DType::i32);
  const auto place = [&](TensorId view, TensorId base, size_t layer) {
    Tensor& tensor = b.graph().tensors[static_cast<size_t>(view)];
    tensor.view_of = base;
    tensor.view_offset = static_cast<int64_t>(layer) * count_elements(b);
    return view;
  };
  std::vector<TensorId> parts;
  for (size_t i = 0; i < layers.size(); ++i) {
    parts.push_back(place(layers[i]->local_counts, own, i));
    layers[i]->stage_counts =
        place(b.activation("stage_counts." + std::to_string(i), ranks, count_elements(b), DType::i32), gathered, i);
  }
  const std::string of_stage = b.plan().layout.pp > 1 ? " of stage " + std::to_string(b.scope().stage) : "";
  gather_counts(b, "gather counts" + of_stage, Announces::stage_counts, b.replicas(), std::move(parts), gathered);
}

}  // namespace moesaic
