#pragma once
// What simulating one step of a plan costs itself, in a process of its own.

#include <cstdint>

#include "core/schema/units.h"

namespace moesaic {

struct SimulationCost {
  int64_t graph_tasks = 0;  // of the one program that all ranks run
  int64_t tasks = 0;        // of all ranks
  int64_t activities = 0;   // of all ranks too
  /// Of the process alone, whatever else the machine does: from a plan to its graph, from the graph to the evaluation.
  Seconds lower_cpu_seconds = 0, simulate_cpu_seconds = 0;
  /// The largest resident set so far: as the process begins, with the graph, at the end.
  Bytes begin_bytes = 0, lowered_bytes = 0, peak_bytes = 0;
  Seconds step_seconds = 0;  // the answer: simulated time
};

}  // namespace moesaic
