#include "executor/backend/backend.h"

namespace moesaic::executor {

StepContext make_step_context(const TaskGraph& graph, const Plan& plan, int rank) {
  StepContext context{&graph, &plan, rank, 0, std::vector<int>(graph.tensors.size(), -1)};
  for (size_t i = 0; i < graph.parameters.size(); ++i)
    context.parameter_of_tensor[static_cast<size_t>(graph.parameters[i].weight)] = static_cast<int>(i);
  return context;
}

}  // namespace moesaic::executor
