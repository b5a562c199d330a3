#include "core/blocks/exchange.h"

#include "core/blocks/block.h"
#include "core/blocks/tensor_parallel.h"
#include "core/operators/collectives.h"
#include "core/operators/row_movers.h"
#include "core/routing/routing_rules.h"

namespace moesaic {
namespace {

using operands::Collective, operands::RowMove;

bool sends(const StepBuilder& b) { return b.plan().layout.ep > 1 && !b.plan().dispatch.gathers_tokens(); }

const char* sources(const StepBuilder& b) { return b.plan().layout.token_copies() > 1 ? "sources" : "ep"; }

void all_to_all(StepBuilder& b, const std::string& what, Leg leg, TensorId from, TensorId counts, TensorId to) {
  Task& task = b.task(Op::all_to_all, what, width_shape(b.model().hidden), rows_on(leg).before,
                      {{Collective::sent, from}, {Collective::counts, counts}}, {{Collective::received, to}});
  task.lane = Lane::network;
  task.leg = leg;
  task.communicator = b.communicator("ep");
  task.bytes_per_row = bytes_of(b.graph().tensors[from].dtype, b.model().hidden);
}

void regroup(StepBuilder& b, const std::string& what, Regroup order, TensorId from, TensorId counts, TensorId to) {
  b.task(Op::regroup, what + " regroup", width_shape(b.model().hidden), Rows::received,
         {{RowMove::rows, from}, {RowMove::counts, counts}}, {{RowMove::moved, to}})
      .regroup = order;
}

}  // namespace

TensorId to_experts(StepBuilder& b, const std::string& what, TensorId send, TensorId counts) {
  if (!sends(b)) return send;
  const int64_t hidden = b.model().hidden;
  const TensorId arrived = b.activation(in_layer(b, what + ".arrived"), Rows::received, hidden, b.operand_dtype());
  all_to_all(b, what, Leg::dispatch, send, counts, arrived);
  const TensorId grouped = b.activation(in_layer(b, what + ".grouped"), Rows::received, hidden, b.operand_dtype());
  regroup(b, what, Regroup::to_slots, arrived, counts, grouped);
  return grouped;
}

TensorId from_experts(StepBuilder& b, const std::string& what, TensorId grouped, TensorId counts) {
  if (!sends(b)) return grouped;
  const int64_t hidden = b.model().hidden;
  const TensorId leaving = b.activation(in_layer(b, what + ".leaving"), Rows::received, hidden);
  regroup(b, what, Regroup::from_slots, grouped, counts, leaving);
  const TensorId returned = b.activation(in_layer(b, what + ".returned"), Rows::sent, hidden);
  all_to_all(b, what, Leg::combine, leaving, counts, returned);
  return returned;
}

TensorId gather_tokens(StepBuilder& b, const std::string& what, TensorId own) {
  if (b.graph().gathered_sources == 1) return own;
  const Tensor of = b.graph().tensors[own];
  const TensorId all = b.activation(in_layer(b, what + ".of_group"), b.routed_tokens(), of.row_elements, of.dtype);
  exchange_rows(b, Op::all_gather, sources(b), "gather " + what + " of group", own, all,
                bytes_of(of.dtype, b.tokens().fixed * of.row_elements));
  return all;
}

TensorId scatter_sum(StepBuilder& b, const std::string& what, TensorId parts) {
  if (b.graph().gathered_sources == 1) return parts;
  const Tensor of = b.graph().tensors[parts];
  const TensorId own = b.activation(in_layer(b, what + ".own"), b.tokens(), of.row_elements, of.dtype);
  exchange_rows(b, Op::reduce_scatter, sources(b), "scatter " + what, parts, own,
                bytes_of(of.dtype, b.tokens().fixed * of.row_elements));
  return own;
}

int64_t count_elements(const StepBuilder& b) { return announced_counts(b.plan()) * b.graph().gathered_sources; }

TensorId exchange_counts(StepBuilder& b, TensorId own) {
  const int ep = b.plan().layout.ep;
  if (!sends(b)) return own;
  const TensorId counts = b.activation(in_layer(b, "counts"), ep, count_elements(b), DType::i32);
  const int communicator = ep == b.plan().layout.stage_ranks() ? b.replicas() : b.communicator("ep");
  gather_counts(b, "exchange counts", Announces::group_counts, communicator, {own}, counts);
  return counts;
}

void gather_counts(StepBuilder& b, const std::string& what, Announces announces, int communicator,
                   std::vector<TensorId> parts, TensorId to) {
  Task& gather = b.task(Op::all_gather, what, {}, 0, {}, {{Collective::received, to}});
  gather.reads = std::move(parts);
  gather.lane = Lane::network;
  gather.announces = announces;
  gather.communicator = communicator;
  gather.bytes = bytes_of(DType::i32, static_cast<int64_t>(gather.reads.size()) * count_elements(b));
}

}  // namespace moesaic
