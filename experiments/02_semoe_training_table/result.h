#pragma once
// The result document of a table study, and that of the constants it has fitted.

#include "experiments/02_semoe_training_table/fit.h"
#include "experiments/02_semoe_training_table/task_classes.h"
#include "experiments/laboratory/record.h"

namespace moesaic::experiments {

/// One system on one row. Errors are fractions of the paper's figure.
struct TableCell {
  double tokens_per_second = 0, paper_tokens_per_second = 0, error = 0;
  double null_error = 0;  // of as many tokens per GPU as the paper's fitted cell has
  Bytes memory_bytes = 0, paper_memory_bytes = 0;
  double memory_error = 0;
  std::string provenance;      // of the paper's figures
  Seconds step_seconds = 0;    // predicted
  Seconds excess_seconds = 0;  // by which it is longer than the paper's
  ClassSeconds class_seconds;

  static void members(auto& self, auto visit) {
    visit("tokens_per_second", self.tokens_per_second);
    visit("paper_tokens_per_second", self.paper_tokens_per_second);
    visit("error", self.error);
    visit("null_error", self.null_error);
    visit("memory_bytes", self.memory_bytes);
    visit("paper_memory_bytes", self.paper_memory_bytes);
    visit("memory_error", self.memory_error);
    visit("provenance", self.provenance);
    visit("step_seconds", self.step_seconds);
    visit("excess_seconds", self.excess_seconds);
    visit("class_seconds", self.class_seconds);
  }
};

/// What the paper's system saves of its baseline's step, what the prediction does, and where the paper's saves more,
/// the classes of the predicted step that are long enough to hold the difference.
struct TableSaving {
  Seconds paper_seconds = 0, predicted_seconds = 0;
  std::vector<std::string> classes_that_could_hold_the_rest;

  static void members(auto& self, auto visit) {
    visit("paper_seconds", self.paper_seconds);
    visit("predicted_seconds", self.predicted_seconds);
    visit("classes_that_could_hold_the_rest", self.classes_that_could_hold_the_rest);
  }
};

struct TableRow {
  std::string baseline_name, system_name;  // the keys of their cells
  std::string model;
  int gpus = 0;
  bool fitted = false;
  double ratio = 0, paper_ratio = 0;  // of the system's tokens per second to the baseline's
  TableCell baseline, system;
  Bytes memory_saving_bytes = 0, paper_memory_saving_bytes = 0;
  TableSaving saving;
  std::string differs_most_from_the_fitted_cell;  // the class of the baseline's step; "" for the fitted row

  static void members(auto& self, auto visit) {
    visit("model", self.model);
    visit("gpus", self.gpus);
    visit("fitted", self.fitted);
    visit("ratio", self.ratio);
    visit("paper_ratio", self.paper_ratio);
    visit(self.baseline_name.c_str(), self.baseline);
    visit(self.system_name.c_str(), self.system);
    visit("memory_saving_bytes", self.memory_saving_bytes);
    visit("paper_memory_saving_bytes", self.paper_memory_saving_bytes);
    visit("saving", self.saving);
    visit("differs_most_from_the_fitted_cell", self.differs_most_from_the_fitted_cell);
  }
};

/// Deviations over the predicted cells: all of the table but the fitted one.
struct TableSummary {
  Unknowns unknowns;
  double ratio_of_fitted_row = 0, paper_ratio_of_fitted_row = 0;
  int64_t fit_as_well = 0;                    // unknowns within 5 % of the fitted cell's throughput and memory
  double least_ratio = 0, largest_ratio = 0;  // of the fitted row, with any of those
  double largest_ratio_deviation = 0, largest_throughput_error = 0, largest_memory_error = 0;
  double median_throughput_error = 0, null_median_throughput_error = 0;
  double fitted_throughput_error = 0, fitted_memory_error = 0;

  static void members(auto& self, auto visit) {
    visit("unknowns", self.unknowns);
    visit("ratio_of_fitted_row", self.ratio_of_fitted_row);
    visit("paper_ratio_of_fitted_row", self.paper_ratio_of_fitted_row);
    visit("fit_as_well", self.fit_as_well);
    visit("least_ratio", self.least_ratio);
    visit("largest_ratio", self.largest_ratio);
    visit("largest_ratio_deviation", self.largest_ratio_deviation);
    visit("largest_throughput_error", self.largest_throughput_error);
    visit("largest_memory_error", self.largest_memory_error);
    visit("median_throughput_error", self.median_throughput_error);
    visit("null_median_throughput_error", self.null_median_throughput_error);
    visit("fitted_throughput_error", self.fitted_throughput_error);
    visit("fitted_memory_error", self.fitted_memory_error);
  }
};

/// A figure of the baseline's own paper, which was not looked at for any choice.
struct TableCheck {
  std::string model, provenance;
  int gpus = 0;
  double samples_per_second = 0, published_samples_per_second = 0, error = 0;
  Bytes memory_bytes = 0;
  ClassSeconds class_seconds;

  static void members(auto& self, auto visit) {
    visit("model", self.model);
    visit("provenance", self.provenance);
    visit("gpus", self.gpus);
    visit("samples_per_second", self.samples_per_second);
    visit("published_samples_per_second", self.published_samples_per_second);
    visit("error", self.error);
    visit("memory_bytes", self.memory_bytes);
    visit("class_seconds", self.class_seconds);
  }
};

/// The system on the fitted row, its dense states and its optimizer otherwise than in its preset: the paper does not
/// name them.
struct StatesAlternative {
  int zero = 0;
  std::string optimizer_passes;
  double tokens_per_second = 0, error = 0, ratio = 0;
  Bytes memory_bytes = 0;
  double memory_error = 0;

  static void members(auto& self, auto visit) {
    visit("zero", self.zero);
    visit("optimizer_passes", self.optimizer_passes);
    visit("tokens_per_second", self.tokens_per_second);
    visit("error", self.error);
    visit("ratio", self.ratio);
    visit("memory_bytes", self.memory_bytes);
    visit("memory_error", self.memory_error);
  }
};

struct FittedConstants {
  std::string kind = "moesaic.fitted_constants/1";
  std::string fitted_on, provenance;
  Unknowns unknowns;
  std::vector<TriedUnknowns> tried;  // the nearest first

  static void members(auto& self, auto visit) {
    visit("kind", self.kind);
    visit("fitted_on", self.fitted_on);
    visit("provenance", self.provenance);
    visit("unknowns", self.unknowns);
    visit("tried", self.tried);
  }
};

struct TableResult {
  static constexpr const char* kKind = "result";
  std::string experiment, baseline, system;
  TableSummary summary;
  std::vector<TableRow> rows;
  std::vector<StatesAlternative> states;
  std::vector<TableCheck> checks;
  int64_t num_tried = 0;
  std::vector<TriedUnknowns> nearest;               // of those that were tried
  std::vector<TriedUnknowns> one_changed;           // those that differ from the nearest in one unknown
  std::optional<FittedConstants> fitted_constants;  // absent where it stands in a file of its own

  static void members(auto& self, auto visit) {
    visit("experiment", self.experiment);
    visit("baseline", self.baseline);
    visit("system", self.system);
    visit("summary", self.summary);
    TableRow row;
    row.baseline_name = self.baseline;
    row.system_name = self.system;
    visit("rows", self.rows, row);
    visit("states", self.states);
    visit("checks", self.checks);
    visit("num_tried", self.num_tried);
    visit("nearest", self.nearest);
    visit("one_changed", self.one_changed);
    visit("fitted_constants", self.fitted_constants);
  }
};

}  // namespace moesaic::experiments
