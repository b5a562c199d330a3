#pragma once
// A published training table, simulated: a system and its baseline on row after row, constants fitted on one cell and
// every other cell predicted. The paper's figures (experiments/systems) carry their provenance and gate nothing.

#include "experiments/02_semoe_training_table/result.h"
#include "experiments/laboratory/study.h"

namespace moesaic::experiments {

struct TableAxes {
  std::string name, routing;
  std::string baseline, system;  // published systems
  std::string fitted_row;        // its model; the baseline's cell is spent on the fit
  FitAxes fit;
  std::vector<DocumentNames> rows;
};
TableAxes read_table_axes(const Json& json, const std::string& file);

TableResult run_table_study(const TableAxes& axes, const Laboratory& laboratory);
std::string training_tables(const TableResult& result);

extern const Study kTableStudy;

}  // namespace moesaic::experiments
