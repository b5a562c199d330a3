#pragma once
// What a layer of each class adds to the passes of a microbatch, and to what follows them once.

#include <vector>

#include "planner/prices/task_times.h"

namespace moesaic::planner {

/// Of one rank: before the layers, in one layer of each class, behind them.
struct StepParts {
  Seconds before = 0, behind = 0;
  std::vector<Seconds> of_class;  // [classes]

  /// Over the layers [first, last) of a stage.
  Seconds over(const LayerClasses& classes, int first, int last) const;
};

struct PassTimes {
  StepParts forward, backward;         // of a microbatch: each from the end of what comes before to its own end
  StepParts last_backward, last_sums;  // of the last one, which sums gradients: computation, and the network lane
  StepParts updates, update_gathers;   // behind it: on the compute lane, on the network lane
  TaskSpans spans;                     // of a microbatch that sums its gradients
};

/// Runs the tasks of a sample's passes on lanes that each take one task at a time in program order; computation is as
/// much slower as the profile says while the network lane is busy. Where lanes share a core, all are one.
PassTimes pass_times(const StepSample& sample, const Plan& plan, TaskTimes& times, LayoutRouting& routing);

}  // namespace moesaic::planner
