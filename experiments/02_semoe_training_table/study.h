#pragma once
// SE-MoE's training table (arXiv 2205.10034), simulated: both systems on 8 to 128 devices, constants fitted on one cell
// and every other cell predicted. The paper's figures carry their provenance and gate nothing.

#include <functional>
#include <string>
#include <vector>

#include "core/timeline/timeline.h"
#include "experiments/02_semoe_training_table/fit.h"

namespace moesaic::experiments {

/// What the paper is said to report for one system.
struct PaperCell {
  double tokens_per_second = 0;
  Bytes memory_bytes = 0;
  std::string provenance;  // "secondary": from a summary of the paper; "recalled": unverified
};

struct TableRow {
  std::string model, cluster, workload;
  PaperCell baseline, system;
};

struct TableStudy {
  std::string name, question, routing, baseline, system;  // the last two are presets
  std::string fitted_row;                                 // its model; the baseline's cell is spent on the fit
  FitAxes axes;
  std::vector<TableRow> rows;
};
TableStudy read_table_study(const Json& json, const std::string& file);

/// The documents that a study names.
struct TableInputs {
  std::vector<planner::Problem> rows;  // [study.rows]
  planner::Fixed baseline, system;
};

struct TableHooks {
  Evaluator* evaluator = nullptr;
  std::function<Timeline(const Plan&)> simulate;  // with the time of every task and the memory
  std::function<void(int done, int total)> progress = [](int, int) {};
};

/// The result; its member `fitted_constants` is a document of its own, for the file of that name.
Json run_table_study(const TableStudy& study, const TableInputs& inputs, const TableHooks& hooks);

/// The result as tables of Markdown, for the experiment's README.
std::string training_tables(const Json& result);

}  // namespace moesaic::experiments
