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

GridScenario read_scenario(ObjectReader reader) {
  GridScenario scenario;
  scenario.name = reader["name"].text();
  scenario.model = reader["model"].text();
  scenario.cluster = reader["cluster"].text();
  scenario.workload = reader["workload"].text();
  scenario.routing = reader["routing"].text("");
  scenario.profile = reader["profile"].text("");
  scenario.ranks = static_cast<int>(reader["ranks"].integer(kCount));
  scenario.ep = static_cast<int>(reader["ep"].integer(kCount));
  scenario.cached_share = reader["cached_share"].number({0, 1});
  scenario.fused_parameter_bytes = reader["fused_parameter_bytes"].bytes({0, Bytes{1} << 40});
  scenario.execute = reader["execute"].boolean(false);
  reader.finish();
  return scenario;
}

/// Step and exposed seconds of one timeline.
struct Times {
  double step = 0, communication = 0, transfer = 0;
};

Times times_of(const Timeline& timeline) {
  Times times{timeline.step_seconds, 0, 0};
  for (const PhaseTime& phase : step_breakdown(timeline)) {
    times.communication += phase.exposed_communication;
    times.transfer += phase.exposed_transfer;
  }
  return times;
}

/// Each figure's median over the rounds.
Times median_of(const std::vector<GridRun>& runs) {
  std::vector<Times> rounds;
  for (const GridRun& run : runs) rounds.push_back(times_of(run.timeline));
  return {median(rounds, &Times::step), median(rounds, &Times::communication), median(rounds, &Times::transfer)};
}

Json json_of(const Times& times) {
  return {
      {"step_s", times.step}, {"exposed_communication_s", times.communication}, {"exposed_transfer_s", times.transfer}};
}

}  // namespace

GridStudy read_grid_study(const Json& json, const std::string& file) {
  ObjectReader reader = open_document(json, file, "", "experiment");
  GridStudy study;
  study.name = reader["name"].text();
  study.question = reader["question"].text();
  study.scenarios = reader["scenarios"].objects(read_scenario);
  study.rounds = static_cast<int>(reader["rounds"].integer({1, 100}));
  study.steps = reader["steps"].integer({3, 100000});
  reader.finish();
  return study;
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

Json run_grid_study(const GridStudy& study, const GridHooks& hooks) {
  int done = 0, total = 0;
  for (const GridScenario& scenario : study.scenarios) total += scenario.execute ? 4 * study.rounds : 0;
  Json scenarios = Json::array();
  for (const GridScenario& scenario : study.scenarios) {
    std::vector<Plan> plans = grid_plans(scenario, hooks.load(scenario));
    const auto execute = [&](size_t cell) { return hooks.execute(plans[cell], study.steps); };
    const std::vector<std::vector<GridRun>> runs =
        in_turns(plans.size(), scenario.execute ? study.rounds : 0, execute, [&] { hooks.progress(++done, total); });
    for (Plan& plan : plans)  // prefetch changes no bit of what routers choose
      if (scenario.execute) plan.routing = runs[0].back().routing;
    Json cells = Json::array();
    for (size_t cell = 0; cell < plans.size(); ++cell) {
      Json row = {{"prefetch", kCells[cell]}, {"simulated", json_of(times_of(hooks.simulate(plans[cell])))}};
      if (scenario.execute) row["measured"] = json_of(median_of(runs[cell]));
      cells.push_back(std::move(row));
    }
    scenarios.push_back({{"scenario", scenario.name}, {"cached_share", scenario.cached_share}, {"cells", cells}});
  }
  return {{"kind", "moesaic.result/1"},
          {"experiment", study.name},
          {"rounds", study.rounds},
          {"steps", study.steps},
          {"summary", scenarios}};
}

}  // namespace moesaic::experiments
