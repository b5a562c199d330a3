#include "executor/runtime/training/rank_inputs.h"

#include <limits>
#include <set>

#include "core/graph/holdings.h"
#include "core/routing/routing_rules.h"
#include "executor/runtime/residency/state_mirror.h"
#include "executor/runtime/training/initial_values.h"

namespace moesaic::executor {

void initialise_weights(const TaskGraph& graph, const Plan& plan, int rank, TensorStore& tensors) {
  std::set<std::string> norms;
  for (const Parameter& parameter : graph.parameters)
    if (!parameter.decay) norms.insert(parameter.name);
  const int64_t num_gains =
      plan.model.norm == Norm::layer_norm ? plan.model.hidden : std::numeric_limits<int64_t>::max();
  StateMirror mirror(tensors);
  for (State state : {State::weight, State::master_weight}) {
    if (state == State::master_weight && !has_master_weights(graph)) continue;
    for (const Holding& holding : holdings_of(graph, rank, state))
      for (const Piece& piece : holding.pieces)
        initialise(piece, norms.contains(piece.tensor), num_gains, plan.workload.seed, mirror.data(holding.tensor));
  }
  mirror.store();
}

void load_batch(const TaskGraph& graph, const Plan& plan, int rank, int64_t step, const Corpus& corpus,
                TensorStore& tensors) {
  const int64_t length = plan.workload.sequence_length;
  for (int microbatch = 0; microbatch < plan.layout.micro_batches; ++microbatch) {
    const std::vector<SequenceRange> ranges = local_batch(plan, rank, microbatch);
    int64_t sequences = 0;
    for (const SequenceRange& range : ranges) sequences += range.count;
    std::vector<int32_t> inputs(static_cast<size_t>(sequences * length)), targets(inputs.size());
    size_t at = 0;
    for (const SequenceRange& range : ranges)
      for (int64_t i = 0; i < range.count; ++i, at += static_cast<size_t>(length))
        corpus.sequence(plan.workload.seed, step, range.first + i, length, inputs.data() + at, targets.data() + at);
    const auto write = [&](TensorId tensor, const std::vector<int32_t>& rows) {
      if (tensors.resident(tensor).data != nullptr)
        tensors.write(tensor, rows.data(), static_cast<Bytes>(rows.size() * sizeof(int32_t)));  // else another stage's
    };
    write(graph.inputs.tokens[static_cast<size_t>(microbatch)], inputs);
    write(graph.inputs.targets[static_cast<size_t>(microbatch)], targets);
  }
}

void load_task_rows(const TaskGraph& graph, const Plan& plan, int rank, TensorStore& tensors) {
  if (!plan.model.routed_by_task) return;
  const std::vector<int64_t> counts = task_counts(plan, graph.placement[0], 0).slot_rows(rank);
  const std::vector<int32_t> rows(counts.begin(), counts.end());
  tensors.write(graph.inputs.task_rows, rows.data(), static_cast<Bytes>(rows.size() * sizeof(int32_t)));
}

}  // namespace moesaic::executor
