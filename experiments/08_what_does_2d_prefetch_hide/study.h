#pragma once
// What does 2D prefetch hide? The grid {none, dense, sparse, both} of one plan whose dense weights are divided and
// whose experts live on storage: step and exposed times of each cell, simulated and, where the scenario says so,
// executed.

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/timeline/timeline.h"
#include "planner/problem/problem.h"

namespace moesaic::experiments {

/// One grid. `cached_share`: of a rank's expert slots, those that host memory caches.
struct GridScenario {
  std::string name, model, cluster, workload, routing, profile;
  int ranks = 1, ep = 1;
  double cached_share = 0.5;
  Bytes fused_parameter_bytes = 0;
  bool execute = false;
};

/// The axes of an experiment.json of kind moesaic.experiment/1, question "prefetch grid".
struct GridStudy {
  std::string name, question;
  std::vector<GridScenario> scenarios;
  int rounds = 3;
  int64_t steps = 15;
};
GridStudy read_grid_study(const Json& json, const std::string& file);

/// A run's median step, and the routing that its router chose in it.
struct GridRun {
  Timeline timeline;
  RoutingDocument routing;
};

struct GridHooks {
  std::function<planner::Problem(const GridScenario&)> load;  // its documents
  std::function<Timeline(const Plan&)> simulate;
  std::function<GridRun(const Plan&, int64_t steps)> execute;
  std::function<void(int done, int total)> progress = [](int, int) {};
};

/// The four plans of a scenario: none, dense, sparse, both.
std::vector<Plan> grid_plans(const GridScenario& scenario, const planner::Problem& problem);

Json run_grid_study(const GridStudy& study, const GridHooks& hooks);
std::string grid_tables(const Json& result);

}  // namespace moesaic::experiments
