#include "experiments/08_what_does_2d_prefetch_hide/study.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/schema/object_reader.h"
#include "core/timeline/breakdown.h"
#include "experiments/figures/in_turns.h"
#include "experiments/figures/statistics.h"
#include "planner/layout/enumerate.h"

namespace moesaic::experiments {
namespace {

constexpr const char* kCells[] = {"none", "dense", "sparse", "both"};

GridScenario read_grid_scenario(ObjectReader reader) {
  GridScenario scenario;
  scenario.name = reader["name"].text();
  scenario.documents = read_document_names(reader);
  scenario.ranks = static_cast<int>(reader["ranks"].integer(kCount));
  scenario.ep = static_cast<int>(reader["ep"].integer(kCount));
  scenario.cached_share = reader["cached_share"].number({0, 1});
  scenario.fused_parameter_bytes = reader["fused_parameter_bytes"].bytes({0, Bytes{1} << 40});
  scenario.execute = reader["execute"].boolean(false);
  reader.finish();
  return scenario;
}

GridTimes times_of(const Timeline& timeline) {
  GridTimes times{timeline.step_seconds, 0, 0};
  for (const PhaseTime& phase : step_breakdown(timeline)) {
    times.exposed_communication_s += phase.exposed_communication;
    times.exposed_transfer_s += phase.exposed_transfer;
  }
  return times;
}

/// Each figure's median over the rounds.
GridTimes median_times(const std::vector<Execution>& runs) {
  std::vector<GridTimes> rounds;
  for (const Execution& run : runs) rounds.push_back(times_of(run.timeline));
  return {median(rounds, &GridTimes::step_s), median(rounds, &GridTimes::exposed_communication_s),
          median(rounds, &GridTimes::exposed_transfer_s)};
}

GridResultScenario run_scenario(const GridScenario& scenario, const GridAxes& axes, const Laboratory& laboratory,
                                const std::function<void()>& done) {
  std::vector<Plan> plans = grid_plans(scenario, laboratory.problem(scenario.documents));
  const auto execute = [&](size_t cell) { return laboratory.execute(plans[cell], axes.steps, Way::pinned); };
  const std::vector<std::vector<Execution>> runs =
      in_turns(plans.size(), scenario.execute ? axes.rounds : 0, execute, done);
  for (Plan& plan : plans)  // prefetch changes no bit of what routers choose
    if (scenario.execute) plan.routing = runs[0].back().routing;
  GridResultScenario result{scenario.name, scenario.cached_share, {}};
  for (size_t cell = 0; cell < plans.size(); ++cell) {
    result.cells.push_back({kCells[cell], times_of(laboratory.simulate(plans[cell])), std::nullopt});
    if (scenario.execute) result.cells.back().measured = median_times(runs[cell]);
  }
  return result;
}

}  // namespace

GridAxes read_grid_axes(const Json& json, const std::string& file) {
  return read_scenario_axes(json, file, read_grid_scenario);
}

std::vector<Plan> grid_plans(const GridScenario& scenario, const planner::Problem& problem) {
  Layout layout;
  layout.ranks = scenario.ranks;
  layout.ep = scenario.ep;
  layout.zero = 3;
  Plan plan = planner::baseline_plan(problem, layout);
  plan.fused_parameter_bytes = scenario.fused_parameter_bytes;
  plan.expert_storage.home = Tier::storage;
  const double slots = static_cast<double>(plan.model.num_experts * plan.model.num_moe_layers()) / scenario.ep;
  plan.expert_storage.cache_entries = static_cast<int64_t>(scenario.cached_share * slots);
  std::vector<Plan> plans;
  for (int cell = 0; cell < 4; ++cell) {
    plan.name = kCells[cell];
    plan.prefetch = {cell % 2, cell / 2};
    check_plan(plan, scenario.name);
    plans.push_back(plan);
  }
  return plans;
}

GridResult run_grid_study(const GridAxes& axes, const Laboratory& laboratory) {
  return run_scenarios<GridResultScenario, GridScenario>(
      axes, laboratory, [](const GridScenario&) { return static_cast<int>(std::size(kCells)); },
      [&](const GridScenario& scenario, const std::function<void()>& done) {
        return run_scenario(scenario, axes, laboratory, done);
      });
}

const Study kGridStudy = typed_study<read_grid_axes, run_grid_study, grid_tables>("prefetch_grid");

}  // namespace moesaic::experiments
