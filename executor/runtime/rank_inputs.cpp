#include "executor/runtime/rank_inputs.h"

#include <algorithm>
#include <set>

#include "core/graph/holdings.h"
#include "core/schema/error.h"

namespace moesaic::executor {

void initialise_weights(const TaskGraph& graph, const Plan& plan, int rank, TensorStore& tensors) {
  std::set<std::string> norms;
  for (const Parameter& parameter : graph.parameters)
    if (!parameter.decay) norms.insert(parameter.name);
  for (const Holding& holding : holdings_of(graph, rank, State::weight))
    for (const Piece& piece : holding.pieces)
      initialise(piece, norms.contains(piece.tensor), plan.model.hidden, plan.workload.seed,
                 tensors.resident(holding.tensor).f32());
}

TensorId tensor_named(const TaskGraph& graph, const std::string& name) {
  for (size_t i = 0; i < graph.tensors.size(); ++i)
    if (graph.tensors[i].name == name) return static_cast<TensorId>(i);
  throw InvariantError(__FILE__, __LINE__, "tensor", "no tensor named " + name);
}

void load_batch(const TaskGraph& graph, const Plan& plan, int rank, int64_t step, const Corpus& corpus,
                TensorStore& tensors) {
  const int64_t length = plan.workload.sequence_length;
  std::vector<int32_t> inputs(static_cast<size_t>(length)), targets(inputs.size());
  for (int microbatch = 0; microbatch < plan.layout.micro_batches; ++microbatch) {
    const auto input = [&](const std::string& name) {
      return tensors.resident(tensor_named(graph, name + "." + std::to_string(microbatch))).i32();
    };
    int32_t *input_rows = input("tokens"), *target_rows = input("targets");
    const auto append = [&](const std::vector<int32_t>& sequence, int32_t*& rows) {
      if (rows != nullptr) rows = std::copy(sequence.begin(), sequence.end(), rows);
    };
    for (const SequenceRange& range : local_batch(plan, rank, microbatch))
      for (int64_t i = 0; i < range.count; ++i) {
        corpus.sequence(plan.workload.seed, step, range.first + i, length, inputs.data(), targets.data());
        append(inputs, input_rows);
        append(targets, target_rows);
      }
  }
}

void load_task_rows(const TaskGraph& graph, const Plan& plan, int rank, TensorStore& tensors) {
  if (!plan.model.routed_by_task) return;
  const std::vector<int64_t> rows = task_counts(plan, graph.placement[0], 0).slot_rows(rank);
  std::copy(rows.begin(), rows.end(), tensors.resident(tensor_named(graph, "task_rows")).i32());
}

}  // namespace moesaic::executor
