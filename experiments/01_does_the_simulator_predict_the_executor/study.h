#pragma once
// Does the simulator predict the executor? Draws plans, executes each several times interleaved with the others, and
// compares: errors of the step, routing and prices apart, the order of the plans, and a plain FLOPs-and-bytes model
// beside ours.

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/schema/documents.h"
#include "experiments/01_does_the_simulator_predict_the_executor/draw_plans.h"

namespace moesaic::experiments {

/// The axes of an experiment.json of kind moesaic.experiment/1, question "fidelity".
struct FidelityStudy {
  std::string name, question, model, workload;
  std::string routing;  // document or name; "" is uniform
  std::string machine;  // folder or name with profile.json and cluster.json
  std::vector<int> ranks;
  int plans_per_rank_count = 12;
  bool memory = false;  // draw decisions about training memory as well
  int rounds = 3;
  int64_t steps = 15;
  uint64_t seed = 1;
};
FidelityStudy read_fidelity_study(const Json& json, const std::string& file);

/// One execution: median step seconds, and the result document of `moesaic execute`.
struct Execution {
  Seconds step_seconds = 0;
  RoutingDocument routing;   // recorded
  int64_t routing_step = 0;  // the step that the median belongs to
};

struct StudyHooks {
  Evaluator* evaluator = nullptr;
  std::function<Execution(const Plan&, int64_t steps)> execute;
  std::function<void(int done, int total)> progress = [](int, int) {};
};

/// Runs the study and returns its result document: one row per plan, and the summary.
Json run_fidelity_study(const FidelityStudy& study, const planner::Problem& problem, const StudyHooks& hooks);

/// The result as tables of Markdown, for the experiment's README.
std::string fidelity_tables(const Json& result);

}  // namespace moesaic::experiments
