#pragma once
// Two presets on this machine, simulated and executed in turns: which is faster here, and in which class of tasks.
// Prediction and measurement stand apart.

#include <functional>
#include <string>

#include "core/timeline/timeline.h"
#include "planner/problem/problem.h"

namespace moesaic::experiments {

struct PresetsHere {
  std::string name, question, model, workload, routing, machine, baseline, system;  // the last two are presets
  int ranks = 2;
  int rounds = 7;
  int64_t steps = 21;
};
PresetsHere read_presets_here(const Json& json, const std::string& file);

struct PresetsHereHooks {
  std::function<Timeline(const Plan&, int64_t routing_step)> simulate;
  std::function<Json(const Plan&, int64_t steps)> execute;  // the result document of the executor
  std::function<void(int done, int total)> progress = [](int, int) {};
};
Json run_presets_here(const PresetsHere& study, const planner::Problem& problem, const planner::Fixed& baseline,
                      const planner::Fixed& system, const PresetsHereHooks& hooks);

/// The result as tables of Markdown, for the experiment's README.
std::string presets_here_tables(const Json& result);

}  // namespace moesaic::experiments
