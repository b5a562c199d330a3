#pragma once
// What a layer of each class adds to the passes of a microbatch, and to what follows them once.

#include <vector>

#include "planner/prices/step_sample.h"

namespace moesaic::planner {

/// Of one rank: before the layers, in one layer of each class, behind them.
struct StepParts {
  Seconds before = 0, behind = 0;
  OfLayerClasses of_class{};

  /// Counts a task of a sample, whose layers of a class stand for all of it.
  void add(const StepSample& sample, const SampleTask& task, Seconds seconds);
  /// Over the layers of a stage.
  Seconds over(const LayerClasses& classes, LayerRange layers) const;
};

struct PassTimes {
  StepParts forward, backward;         // of a microbatch: each from the end of what comes before to its own end
  StepParts last_backward, last_sums;  // of the last one, which sums gradients: computation, and the network lane
  StepParts updates, update_gathers;   // behind it: on the compute lane, on the network lane
  TaskSpans spans;                     // of a microbatch that sums its gradients
};

/// How lanes run tasks. `pieces`: what routing decides may be cut into as many pieces of tokens, each of which goes on
/// as soon as it is done; 1: every task waits for the whole one before.
struct LaneRules {
  bool one_lane = false;  // lanes share a core
  double slowdown = 1;    // of computation while the network lane is busy
  int pieces = 1;
  bool sums_gradients = true;
};

/// Cores that communicate themselves do so inside a node; between nodes cards do.
bool shares_one_lane(const Plan& plan);

/// Runs the tasks of a sample's passes on lanes that each take one task at a time in program order. seconds: [tasks].
PassTimes pass_times(const StepSample& sample, const Plan& plan, const std::vector<Seconds>& seconds,
                     const LaneRules& rules);

}  // namespace moesaic::planner
