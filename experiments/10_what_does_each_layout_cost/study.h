#pragma once
// What does each layout cost? One training step under one layout after the other, simulated and, where the scenario
// says so, executed. It searches nothing: the rows say what a plan decides.

#include "experiments/10_what_does_each_layout_cost/result.h"
#include "experiments/laboratory/scenarios.h"

namespace moesaic::experiments {

struct LayoutRow {
  std::string name;
  planner::Fixed fixed;  // a row leaves ep and microbatches open only where one layout is legal, or the first will do
};

struct LayoutScenario {
  std::string name;
  DocumentNames documents;
  int ranks = 1;
  int64_t global_batch = 0;  // sequences, in place of the workload's
  bool execute = false;
  std::vector<LayoutRow> rows;
};

using LayoutAxes = ScenarioAxes<LayoutScenario>;
LayoutAxes read_layout_axes(const Json& json, const std::string& file);

/// The plan of every row: [rows]. InputError where a row fixes what is not legal.
std::vector<Plan> layout_plans(const LayoutScenario& scenario, const planner::Problem& problem);

LayoutResult run_layout_study(const LayoutAxes& axes, const Laboratory& laboratory);
std::string layout_tables(const LayoutResult& result);

extern const Study kLayoutStudy;

}  // namespace moesaic::experiments
