#include "planner/memory/program_order.h"

#include "core/graph/memory.h"
#include "core/technique/lower.h"

namespace moesaic::planner {

bool fits_in_program_order(const Plan& plan) {
  const TaskGraph graph = lower(plan);
  const RoutingBinding binding(plan);
  for (int stage = 0; stage < graph.num_stages; ++stage)
    if (memory_peak(graph, binding, stage * plan.layout.stage_ranks(), 0).bytes >
        plan.cluster.device.usable_memory_bytes())
      return false;
  return true;
}

}  // namespace moesaic::planner
