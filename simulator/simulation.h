#pragma once
// What simulating one step of a plan gives, and how to ask for it from any process. SimGrid runs in a worker, where it
// may die, the fluid model here. `simulate` is for one plan; for many see SimgridEvaluator and FluidEvaluator.

#include "core/evaluate/evaluator.h"
#include "core/timeline/timeline.h"
#include "simulator/engine_kind.h"

namespace moesaic::simulator {

struct SimulationOptions {
  bool timeline = false;  // answer with the time of every task and the memory over time, not with the evaluation alone
  int64_t step = 0;  // which step of the routing document is bound: microbatches step * micro_batches and following
  EngineKind engine = EngineKind::simgrid;
  bool every_rank = false;  // simulate alike ranks one by one: the oracle of what one of them stands for
  bool operator==(const SimulationOptions&) const = default;
};

struct SimulationResult {
  Evaluation evaluation;
  Timeline timeline;  // empty unless asked for
};

/// SimGrid simulates in a worker of its own. InputError for plans that cannot be simulated, DeviceError where the
/// worker dies.
SimulationResult simulate(const Plan& plan, const SimulationOptions& options = {});

/// Simulates in the calling process, which can do so with SimGrid once in its life; for workers.
SimulationResult simulate_in_this_process(const Plan& plan, const SimulationOptions& options);
/// The same for a graph that is already there; `plan` gives cluster, profile, workload and routing.
SimulationResult simulate_in_this_process(const TaskGraph& graph, const Plan& plan, const SimulationOptions& options);

}  // namespace moesaic::simulator
