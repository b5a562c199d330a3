#pragma once
// What does 2D prefetch hide? The grid {none, dense, sparse, both} of one plan whose dense weights are divided and
// whose experts live on storage: step and exposed times of each cell, simulated and, where the scenario says so,
// executed.

#include "experiments/08_what_does_2d_prefetch_hide/result.h"
#include "experiments/laboratory/scenarios.h"

namespace moesaic::experiments {

/// One grid. `cached_share`: of a rank's expert slots, those that host memory caches.
struct GridScenario {
  std::string name;
  DocumentNames documents;
  int ranks = 1, ep = 1;
  double cached_share = 0.5;
  Bytes fused_parameter_bytes = 0;
  bool execute = false;
};

using GridAxes = ScenarioAxes<GridScenario>;
GridAxes read_grid_axes(const Json& json, const std::string& file);

/// The four plans of a scenario: none, dense, sparse, both.
std::vector<Plan> grid_plans(const GridScenario& scenario, const planner::Problem& problem);

GridResult run_grid_study(const GridAxes& axes, const Laboratory& laboratory);
std::string grid_tables(const GridResult& result);

extern const Study kGridStudy;

}  // namespace moesaic::experiments
