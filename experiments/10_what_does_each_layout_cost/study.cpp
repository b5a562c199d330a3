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

LayoutRow read_layout_row(ObjectReader reader) {
  LayoutRow row;
  row.name = reader["name"].text();
  row.fixed = planner::read_fixed(reader);
  reader.finish();
  return row;
}

LayoutScenario read_layout_scenario(ObjectReader reader) {
  LayoutScenario scenario;
  scenario.name = reader["name"].text();
  scenario.documents = read_document_names(reader);
  scenario.ranks = static_cast<int>(reader["ranks"].integer(kCount));
  scenario.global_batch = reader["global_batch"].integer(kCount);
  scenario.execute = reader["execute"].boolean(false);
  scenario.rows = reader["rows"].objects(read_layout_row);
  reader.finish();
  return scenario;
}

/// Each figure's median over the rounds.
LayoutFigures median_figures(const std::vector<Execution>& rounds) {
  return {median(rounds, &Execution::step_seconds), median(rounds, &Execution::exposed_communication_seconds),
          static_cast<Bytes>(median(rounds, &Execution::peak_device_bytes)), std::nullopt};
}

LayoutFigures simulated_of(const Evaluation& evaluation) {
  const Prediction& p = evaluation.prediction;
  LayoutFigures figures{p.step_seconds, p.exposed_communication_seconds, p.peak_bytes.at("device"), std::nullopt};
  if (!evaluation.feasible) figures.infeasible = evaluation.reason;
  return figures;
}

LayoutResultScenario run_scenario(const LayoutScenario& scenario, const LayoutAxes& axes, const Laboratory& laboratory,
                                  const std::function<void()>& done) {
  std::vector<Plan> plans = layout_plans(scenario, laboratory.problem(scenario.documents));
  const auto execute = [&](size_t row) { return laboratory.execute(plans[row], axes.steps, Way::pinned); };
  const std::vector<std::vector<Execution>> runs =
      in_turns(plans.size(), scenario.execute ? axes.rounds : 0, execute, done);
  for (size_t row = 0; scenario.execute && row < plans.size(); ++row) plans[row].routing = runs[row].back().routing;
  const std::vector<Evaluation> evaluations = laboratory.evaluator->evaluate(plans);
  LayoutResultScenario result{scenario.name, {}};
  for (size_t row = 0; row < plans.size(); ++row) {
    result.rows.push_back({plans[row].name, simulated_of(evaluations[row]), std::nullopt});
    if (scenario.execute) result.rows.back().measured = median_figures(runs[row]);
  }
  return result;
}

}  // namespace

LayoutAxes read_layout_axes(const Json& json, const std::string& file) {
  return read_scenario_axes(json, file, read_layout_scenario);
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

LayoutResult run_layout_study(const LayoutAxes& axes, const Laboratory& laboratory) {
  return run_scenarios<LayoutResultScenario, LayoutScenario>(
      axes, laboratory, [](const LayoutScenario& scenario) { return static_cast<int>(scenario.rows.size()); },
      [&](const LayoutScenario& scenario, const std::function<void()>& done) {
        return run_scenario(scenario, axes, laboratory, done);
      });
}

const Study kLayoutStudy = typed_study<read_layout_axes, run_layout_study, layout_tables>("layouts");

}  // namespace moesaic::experiments
