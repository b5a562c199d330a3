#include "core/operators/optimizer.h"
#include "executor/backend/backend.h"

namespace moesaic::executor {

StepContext make_step_context(const TaskGraph& graph, const Plan& plan, int rank) {
  StepContext context;
  context.graph = &graph;
  context.plan = &plan;
  context.rank = rank;
  context.update_ranges.resize(graph.tensors.size());
  using operands::AdamW;
  for (const Task& task : graph.tasks)
    for (size_t i = 0; task.op == Op::adamw && i < task.reads.size() / AdamW::kReads; ++i) {
      const TensorId weight = task.writes[AdamW::of_parameter(i, AdamW::weight)];
      context.update_ranges[weight] = update_ranges(graph, weight, rank);
    }
  return context;
}

}  // namespace moesaic::executor
