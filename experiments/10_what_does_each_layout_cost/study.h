#pragma once
// What does each layout cost? One training step under one layout after the other, simulated and, where the scenario
// says so, executed. It searches nothing: the rows say what a plan decides.

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/evaluate/evaluator.h"
#include "core/schema/documents.h"
#include "planner/problem/problem.h"

namespace moesaic::experiments {

struct LayoutRow {
  std::string name;
  planner::Fixed fixed;  // a row leaves ep and microbatches open only where one layout is legal, or the first will do
};

struct LayoutScenario {
  std::string name, model, cluster, workload, profile;
  int ranks = 1;
  int64_t global_batch = 0;  // sequences, in place of the workload's
  bool execute = false;
  std::vector<LayoutRow> rows;
};

/// The axes of an experiment.json of kind moesaic.experiment/1, question "layouts".
struct LayoutStudy {
  std::string name, question;
  std::vector<LayoutScenario> scenarios;
  int rounds = 3;
  int64_t steps = 15;
};
LayoutStudy read_layout_study(const Json& json, const std::string& file);

struct LayoutRun {
  Seconds step = 0, exposed_communication = 0;
  Bytes peak_device_bytes = 0;
  RoutingDocument routing;
};

struct LayoutHooks {
  std::function<planner::Problem(const LayoutScenario&)> load;  // its documents
  Evaluator* evaluator = nullptr;
  std::function<LayoutRun(const Plan&, int64_t steps)> execute;
  std::function<void(int done, int total)> progress = [](int, int) {};
};

/// The plan of every row: [rows]. InputError where a row fixes what is not legal.
std::vector<Plan> layout_plans(const LayoutScenario& scenario, const planner::Problem& problem);

Json run_layout_study(const LayoutStudy& study, const LayoutHooks& hooks);
std::string layout_tables(const Json& result);

}  // namespace moesaic::experiments
