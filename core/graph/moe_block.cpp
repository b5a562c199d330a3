// The MoE layer: x + unpermute(combine(experts(dispatch(permute(norm2(x)))))). Where one rank holds all experts,
// nothing is sent.
#include "core/graph/blocks.h"

namespace moesaic {
namespace {

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

/// Each member's part of all_gather is what `reads` hold one after the other.
void gather_counts(StepBuilder& b, const std::string& what, int communicator, std::vector<TensorId> reads,
                   TensorId to) {
  const auto parts = static_cast<int64_t>(reads.size());
  Task& gather = b.task(Op::all_gather, what, {}, 0, std::move(reads), {to});
  gather.lane = Lane::network;
  gather.communicator = communicator;
  gather.bytes = bytes_of(DType::i32, parts * count_elements(b));
}

/// router -> {probabilities, route, own counts}; then the counts of the ranks whose rows meet in the layer.
void route(StepBuilder& b, Saved& saved) {
  const Model& m = b.model();
  saved.probabilities = b.activation(in_layer(b, "probabilities"), b.tokens(), m.num_experts, DType::f32);
  // Per choice: expert (i32), weight (f32), and for every slice of the expert the row in the send buffer (i32).
  saved.route =
      b.activation(in_layer(b, "route"), b.tokens(), (2 + b.plan().layout.expert_slices) * m.top_k, DType::i32);
  saved.local_counts = b.activation(in_layer(b, "local_counts"), 1, count_elements(b), DType::i32);
  b.task(Op::router, "router", router_shape(b), b.tokens(), {saved.normed, b.weight(in_layer(b, "router"))},
         {saved.probabilities, saved.route, saved.local_counts});
  saved.counts = saved.stage_counts = saved.local_counts;
  const int ep = b.plan().layout.ep;
  if (ep == 1) return;
  saved.counts = saved.stage_counts = b.activation(in_layer(b, "counts"), ep, count_elements(b), DType::i32);
  gather_counts(b, "exchange counts", ep == b.plan().layout.stage_ranks() ? b.replicas() : b.communicator("ep"),
                {saved.local_counts}, saved.counts);
}

/// Experts that every token passes through (DeepSeek): a dense FFN beside the routed ones, added to the residual.
/// Inference only.
TensorId shared_experts(StepBuilder& b, TensorId x, TensorId normed) {
  const Model& m = b.model();
  if (m.shared_intermediate == 0) return x;
  const RowCount t = b.tokens();
  const int64_t f = m.shared_intermediate;
  const TensorId hidden = b.activation(in_layer(b, "shared_hidden"), t, 2 * f);
  b.task(Op::linear, "shared up", linear_shape(2 * f, m.hidden), t, {normed, b.weight(in_layer(b, "shared_up"))},
         {hidden});
  OpShape gate;
  gate.n = f;
  gate.gated = true;
  const TensorId activated = b.activation(in_layer(b, "shared_activated"), t, f);
  b.task(Op::activation, "shared activation", gate, t, {hidden}, {activated});
  const TensorId projected = b.activation(in_layer(b, "shared_out"), t, m.hidden);
  b.task(Op::linear, "shared down", linear_shape(m.hidden, f), t, {activated, b.weight(in_layer(b, "shared_down"))},
         {projected});
  const TensorId sum = b.activation(in_layer(b, "shared_sum"), t, m.hidden);
  b.task(Op::add, "shared residual", width_shape(m.hidden), t, {x, projected}, {sum});
  return sum;
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
  b.routed_task(Op::permute, "permute", choice_shape(b), Rows::sent, {saved.normed, saved.route, saved.counts}, {send});
  saved.received = to_experts(b, "dispatch", send, saved.counts);
  const int64_t up_width = up_matrices(b) * slot_width(b);
  saved.expert_hidden = b.routed(in_layer(b, "expert_hidden"), Rows::received, up_width);
  saved.expert_activated = b.routed(in_layer(b, "expert_activated"), Rows::received, slot_width(b), b.operand_dtype());
  const TensorId out = b.routed(in_layer(b, "expert_out"), Rows::received, m.hidden);
  b.routed_task(
      Op::experts, "experts", expert_shape(b), Rows::received,
      {saved.received, saved.counts, b.weight(in_layer(b, "experts.up")), b.weight(in_layer(b, "experts.down"))},
      {saved.expert_hidden, saved.expert_activated, out});
  saved.returned = from_experts(b, "combine", out, saved.counts);
  const TensorId sum = b.activation(in_layer(b, "moe_sum"), t, m.hidden);
  b.routed_task(Op::unpermute, "unpermute", choice_shape(b), Rows::sent, {saved.returned, saved.route, residual},
                {sum});
  return sum;
}

TensorId moe_backward(StepBuilder& b, TensorId dy, const Saved& saved) {
  const Model& m = b.model();
  const RowCount t = b.tokens();
  const TensorId d_returned = b.routed(in_layer(b, "d_returned"), Rows::sent, m.hidden, b.operand_dtype());
  const TensorId d_weights = b.activation(in_layer(b, "d_weights"), t, m.top_k, DType::f32);
  b.routed_task(Op::unpermute_backward, "unpermute", choice_shape(b), Rows::sent, {dy, saved.returned, saved.route},
                {d_returned, d_weights});
  const TensorId d_out = to_experts(b, "combine gradient", d_returned, saved.counts);
  const int64_t up_width = up_matrices(b) * slot_width(b);
  const TensorId d_hidden = b.routed(in_layer(b, "d_expert_hidden"), Rows::received, up_width, b.operand_dtype());
  const TensorId d_received = b.routed(in_layer(b, "d_received"), Rows::received, m.hidden);
  b.routed_task(Op::experts_dgrad, "experts dgrad", expert_shape(b), Rows::received,
                {d_out, saved.counts, saved.expert_hidden, b.weight(in_layer(b, "experts.up")),
                 b.weight(in_layer(b, "experts.down"))},
                {d_hidden, d_received});
  const TensorId d_send = from_experts(b, "dispatch gradient", d_received, saved.counts);
  // After the send has been issued, so that it hides behind the weight gradients.
  b.routed_task(Op::experts_wgrad, "experts wgrad", expert_shape(b), Rows::received,
                {saved.counts, saved.received, saved.expert_activated, d_out, d_hidden},
                {b.gradient(in_layer(b, "experts.up")), b.gradient(in_layer(b, "experts.down"))});
  const TensorId d_normed = b.activation(in_layer(b, "d_norm2"), t, m.hidden);
  b.task(
      Op::router_backward, "router", router_shape(b), t,
      {d_weights, saved.probabilities, saved.route, saved.stage_counts, saved.normed, b.weight(in_layer(b, "router"))},
      {d_normed, b.gradient(in_layer(b, "router")), b.loss()});
  b.routed_task(Op::permute_backward, "permute", choice_shape(b), Rows::sent, {d_send, saved.route, d_normed},
                {d_normed});
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
  std::vector<TensorId> reads;
  for (size_t i = 0; i < layers.size(); ++i) {
    reads.push_back(place(layers[i]->local_counts, own, i));
    layers[i]->stage_counts =
        place(b.activation("stage_counts." + std::to_string(i), ranks, count_elements(b), DType::i32), gathered, i);
  }
  const std::string of_stage = b.plan().layout.pp > 1 ? " of stage " + std::to_string(b.scope().stage) : "";
  gather_counts(b, "gather counts" + of_stage, b.replicas(), std::move(reads), gathered);
}

}  // namespace moesaic
