#pragma once
// A published training table, simulated on measured kernels: a system and its baseline on row after row, what the paper
// does not say chosen by one cell and every other cell predicted. The paper's figures (experiments/systems) carry their
// provenance and gate nothing.

#include "experiments/02_semoe_training_table/result.h"
#include "experiments/laboratory/study.h"

namespace moesaic::experiments {

/// Of the baseline, in its own paper.
struct CheckAxes {
  DocumentNames documents;
  double samples_per_second = 0;
  std::string provenance;
};

/// Where the system's dense states live, and how it updates them.
struct StatesAxes {
  int zero = 0;
  OptimizerPasses optimizer_passes = OptimizerPasses::fused;
};

struct TableAxes {
  std::string name, routing;
  std::string baseline, system;  // published systems
  std::string fitted_row;        // its model; the baseline's cell is spent on the fit
  FitAxes fit;
  std::vector<DocumentNames> rows;
  std::vector<StatesAxes> states;
  std::vector<CheckAxes> checks;
};
TableAxes read_table_axes(const Json& json, const std::string& file);

TableResult run_table_study(const TableAxes& axes, const Laboratory& laboratory);
std::string training_tables(const TableResult& result);

extern const Study kTableStudy;

}  // namespace moesaic::experiments
