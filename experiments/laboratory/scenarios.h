#pragma once
// What studies of several scenarios share: their axes, their result document, the walk over them. A scenario of a study
// has `execute`; its plans are executed in turns where that is true.

#include <functional>
#include <string>
#include <vector>

#include "experiments/laboratory/study.h"

namespace moesaic::experiments {

template <typename Scenario>
struct ScenarioAxes {
  std::string name;
  std::vector<Scenario> scenarios;
  int rounds = 3;      // executions of each plan
  int64_t steps = 15;  // of one execution
};

template <typename Scenario>
ScenarioAxes<Scenario> read_scenario_axes(const Json& json, const std::string& file,
                                          Scenario (*read_scenario)(ObjectReader)) {
  ObjectReader reader = open_experiment(json, file);
  ScenarioAxes<Scenario> axes;
  axes.name = reader["name"].text();
  axes.scenarios = reader["scenarios"].objects(read_scenario);
  axes.rounds = static_cast<int>(reader["rounds"].integer({1, 100}));
  axes.steps = reader["steps"].integer({3, 100000});
  reader.finish();
  return axes;
}

/// Where a scenario's documents stand among its other keys; `routing` and `profile` may be missing.
DocumentNames read_document_names(ObjectReader& reader);

template <typename OfScenario>
struct ScenarioResult {
  static constexpr const char* kKind = "result";
  std::string experiment;
  int rounds = 0;
  int64_t steps = 0;
  std::vector<OfScenario> scenarios;

  static void members(auto& self, auto visit) {
    visit("experiment", self.experiment);
    visit("rounds", self.rounds);
    visit("steps", self.steps);
    visit("summary", self.scenarios);
  }
};

/// plans_of(scenario): how many plans of it are executed in each round; run(scenario, done): its record, having called
/// `done` after each execution.
template <typename OfScenario, typename Scenario>
ScenarioResult<OfScenario> run_scenarios(
    const ScenarioAxes<Scenario>& axes, const Laboratory& laboratory, int (*plans_of)(const Scenario&),
    const std::function<OfScenario(const Scenario&, const std::function<void()>& done)>& run) {
  int done = 0, total = 0;
  for (const Scenario& scenario : axes.scenarios) total += scenario.execute ? axes.rounds * plans_of(scenario) : 0;
  ScenarioResult<OfScenario> result{axes.name, axes.rounds, axes.steps, {}};
  for (const Scenario& scenario : axes.scenarios)
    result.scenarios.push_back(run(scenario, [&] { laboratory.progress(++done, total, "executions"); }));
  return result;
}

}  // namespace moesaic::experiments
