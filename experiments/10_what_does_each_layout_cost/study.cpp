#include "experiments/10_what_does_each_layout_cost/study.h"

#include <nlohmann/json.hpp>

#include "core/schema/object_reader.h"
#include "experiments/figures/in_turns.h"
#include "experiments/figures/statistics.h"
#include "planner/layout/enumerate.h"
#include "planner/problem/preset.h"
#include "planner/search/candidates.h"

namespace moesaic::experiments {
namespace {

LayoutRow read_row(ObjectReader reader) {
  LayoutRow row;
  row.name = reader["name"].text();
  row.fixed = planner::read_fixed(reader);
  reader.finish();
  return row;
}

LayoutScenario read_scenario(ObjectReader reader) {
  LayoutScenario scenario;
  scenario.name = reader["name"].text();
  scenario.model = reader["model"].text();
  scenario.cluster = reader["cluster"].text();
  scenario.workload = reader["workload"].text();
  scenario.profile = reader["profile"].text("");
  scenario.ranks = static_cast<int>(reader["ranks"].integer(kCount));
  scenario.global_batch = reader["global_batch"].integer(kCount);
  scenario.execute = reader["execute"].boolean(false);
  scenario.rows = reader["rows"].objects(read_row);
  reader.finish();
  return scenario;
}

/// Each figure's median over the rounds.
LayoutRun median_of(const std::vector<LayoutRun>& rounds) {
  return {median(rounds, &LayoutRun::step), median(rounds, &LayoutRun::exposed_communication),
          static_cast<Bytes>(median(rounds, &LayoutRun::peak_device_bytes)), rounds.back().routing};
}

Json json_of(const LayoutRun& run) {
  return {{"step_s", run.step},
          {"exposed_communication_s", run.exposed_communication},
          {"peak_device_bytes", run.peak_device_bytes}};
}

Json simulated(const Evaluation& evaluation) {
  const Prediction& p = evaluation.prediction;
  Json json = json_of({p.step_seconds, p.exposed_communication_seconds, p.peak_bytes.at("device"), {}});
  if (!evaluation.feasible) json["infeasible"] = evaluation.reason;
  return json;
}

}  // namespace

LayoutStudy read_layout_study(const Json& json, const std::string& file) {
  ObjectReader reader = open_document(json, file, "", "experiment");
  LayoutStudy study;
  study.name = reader["name"].text();
  study.question = reader["question"].text();
  study.scenarios = reader["scenarios"].objects(read_scenario);
  study.rounds = static_cast<int>(reader["rounds"].integer({1, 100}));
  study.steps = reader["steps"].integer({3, 100000});
  reader.finish();
  return study;
}

std::vector<Plan> layout_plans(const LayoutScenario& scenario, const planner::Problem& problem) {
  std::vector<Plan> plans;
  for (const LayoutRow& row : scenario.rows) {
    planner::Problem fixed = problem;
    fixed.ranks = scenario.ranks;
    fixed.workload.global_batch = scenario.global_batch;
    fixed.fixed = row.fixed;
    const Layout layout = planner::enumerate_layouts(fixed).front().layout;
    plans.push_back(planner::with_baseline_choices(fixed, planner::baseline_plan(fixed, layout)));
    plans.back().name = row.name;
    check_plan(plans.back(), scenario.name + ", " + row.name);
  }
  return plans;
}

Json run_layout_study(const LayoutStudy& study, const LayoutHooks& hooks) {
  int done = 0, total = 0;
  for (const LayoutScenario& s : study.scenarios)
    total += s.execute ? study.rounds * static_cast<int>(s.rows.size()) : 0;
  Json scenarios = Json::array();
  for (const LayoutScenario& scenario : study.scenarios) {
    std::vector<Plan> plans = layout_plans(scenario, hooks.load(scenario));
    const auto execute = [&](size_t row) { return hooks.execute(plans[row], study.steps); };
    const std::vector<std::vector<LayoutRun>> measured =
        in_turns(plans.size(), scenario.execute ? study.rounds : 0, execute, [&] { hooks.progress(++done, total); });
    for (size_t row = 0; scenario.execute && row < plans.size(); ++row)
      plans[row].routing = measured[row].back().routing;
    const std::vector<Evaluation> evaluations = hooks.evaluator->evaluate(plans);
    Json rows = Json::array();
    for (size_t row = 0; row < plans.size(); ++row) {
      rows.push_back({{"layout", plans[row].name}, {"simulated", simulated(evaluations[row])}});
      if (scenario.execute) rows.back()["measured"] = json_of(median_of(measured[row]));
    }
    scenarios.push_back({{"scenario", scenario.name}, {"rows", rows}});
  }
  return {{"kind", "moesaic.result/1"},
          {"experiment", study.name},
          {"rounds", study.rounds},
          {"steps", study.steps},
          {"summary", scenarios}};
}

}  // namespace moesaic::experiments
