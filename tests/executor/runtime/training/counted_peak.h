#pragma once
// What the graph of a plan says of the memory that a run needs.

#include <algorithm>

#include "core/graph/memory.h"
#include "core/technique/lower.h"

namespace moesaic::executor::testing {

/// Of the run's own routing, on its fullest rank: at the task with the most memory.
inline Bytes counted_peak(const Plan& plan, const RoutingDocument& recorded) {
  Plan replayed = plan;
  replayed.routing = recorded;
  const TaskGraph graph = lower(plan);
  const RoutingBinding binding(replayed);
  Bytes peak = 0;
  for (int64_t step = 0; step < recorded.num_iterations / plan.layout.micro_batches; ++step)
    for (int rank = 0; rank < plan.layout.ranks; ++rank)
      peak = std::max(peak, memory_peak(graph, binding, rank, step).bytes);
  return peak;
}

}  // namespace moesaic::executor::testing
