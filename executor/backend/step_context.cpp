#include "executor/backend/backend.h"

namespace moesaic::executor {

StepContext make_step_context(const TaskGraph& graph, const Plan& plan, int rank) {
  StepContext context{&graph, &plan, rank, 0, std::vector<std::vector<UpdateRange>>(graph.tensors.size())};
  for (const Task& task : graph.tasks)
    for (size_t i = 0; task.op == Op::adamw && i < task.writes.size(); i += 3)
      context.update_ranges[static_cast<size_t>(task.writes[i])] = update_ranges(graph, task.writes[i], rank);
  return context;
}

}  // namespace moesaic::executor
