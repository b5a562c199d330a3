#include "experiments/02_semoe_training_table/study.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "core/schema/object_reader.h"
#include "experiments/02_semoe_training_table/task_classes.h"

namespace moesaic::experiments {
namespace {

using Classes = std::array<Seconds, kNumTaskClasses>;

struct Cell {
  const PaperCell* paper = nullptr;
  Seconds step_seconds = 0;
  double tokens_per_second = 0;
  Bytes memory_bytes = 0;
  Classes classes{};

  double error() const { return tokens_per_second / paper->tokens_per_second - 1; }
  double memory_error() const {
    return static_cast<double>(memory_bytes) / static_cast<double>(paper->memory_bytes) - 1;
  }
  /// Seconds by which the predicted step is longer than the paper's.
  Seconds excess() const { return step_seconds * (1 - tokens_per_second / paper->tokens_per_second); }
};

Json document_of(const Constants& constants) {
  return {{"sequence_length", constants.sequence_length},
          {"kept_bytes_per_score", constants.kept_bytes_per_score},
          {"gemm_efficiency", constants.gemm_efficiency},
          {"link_efficiency", constants.link_efficiency},
          {"spine_oversubscription", constants.spine_oversubscription}};
}

/// The class that differs most between two predictions.
std::string differs_most(const Classes& a, const Classes& b) {
  size_t most = 0;
  for (size_t i = 0; i < a.size(); ++i)
    if (std::abs(a[i] - b[i]) > std::abs(a[most] - b[most])) most = i;
  return a == b ? "" : name_of(static_cast<TaskClass>(most));
}

class Study {
 public:
  Study(const TableStudy& study, const TableInputs& inputs, const TableHooks& hooks)
      : study_(study), inputs_(inputs), hooks_(hooks) {}

  Json run() {
    const auto fitted = std::find_if(study_.rows.begin(), study_.rows.end(),
                                     [&](const TableRow& row) { return row.model == study_.fitted_row; });
    MOESAIC_CHECK(fitted != study_.rows.end(), "the fitted row is not in the table");
    fitted_ = static_cast<size_t>(fitted - study_.rows.begin());
    fit_ = fit_constants(
        {inputs_.rows[fitted_], inputs_.baseline, fitted->baseline.tokens_per_second, fitted->baseline.memory_bytes},
        study_.axes, *hooks_.evaluator);
    for (size_t row = 0; row < study_.rows.size(); ++row) {
      cells_.push_back(
          {cell(row, inputs_.baseline, study_.rows[row].baseline), cell(row, inputs_.system, study_.rows[row].system)});
      hooks_.progress(static_cast<int>(row) + 1, static_cast<int>(study_.rows.size()));
    }
    return result_document();
  }

 private:
  struct Row {
    Cell baseline, system;
    double ratio() const { return system.tokens_per_second / baseline.tokens_per_second; }
    double paper_ratio() const { return system.paper->tokens_per_second / baseline.paper->tokens_per_second; }
  };

  Cell cell(size_t row, const planner::Fixed& preset, const PaperCell& paper) const {
    const Plan plan = cell_plan(inputs_.rows[row], preset, fit_.chosen);
    const Timeline timeline = hooks_.simulate(plan);
    Cell cell;
    cell.paper = &paper;
    cell.step_seconds = timeline.step_seconds;
    cell.tokens_per_second = static_cast<double>(plan.workload.tokens_per_step()) / timeline.step_seconds;
    cell.memory_bytes = peak_memory(timeline) + kept_score_bytes(plan, fit_.chosen);
    cell.classes = class_seconds(timeline);
    return cell;
  }

  /// The ratio of the fitted row under every combination of constants that fits the cell: how much of it is free.
  std::vector<double> ratios_as_good() const {
    std::vector<Plan> plans;
    for (const Constants& constants : fit_.as_good) {
      plans.push_back(cell_plan(inputs_.rows[fitted_], inputs_.baseline, constants));
      plans.push_back(cell_plan(inputs_.rows[fitted_], inputs_.system, constants));
    }
    const std::vector<Evaluation> evaluations = hooks_.evaluator->evaluate(plans);
    std::vector<double> ratios;
    for (size_t i = 0; i < evaluations.size(); i += 2)
      ratios.push_back(evaluations[i].prediction.step_seconds / evaluations[i + 1].prediction.step_seconds);
    return ratios;
  }

  Json constants_document() const {
    Json memory = Json::array(), as_good = Json::array(), too_slow = Json::array();
    for (const MemoryFit& fit : fit_.memory)
      if (std::abs(fit.error) <= study_.axes.memory_tolerance || &fit == &fit_.memory.front())
        memory.push_back({{"sequence_length", fit.sequence_length},
                          {"kept_bytes_per_score", fit.kept_bytes_per_score},
                          {"memory_bytes", fit.bytes},
                          {"memory_error", fit.error}});
    const std::vector<double> ratios = ratios_as_good();
    for (size_t i = 0; i < ratios.size(); ++i) {
      Json constants = document_of(fit_.as_good[i]);
      constants["ratio_of_fitted_row"] = ratios[i];
      as_good.push_back(std::move(constants));
    }
    for (const Constants& constants : fit_.too_slow)
      too_slow.push_back({{"link_efficiency", constants.link_efficiency},
                          {"spine_oversubscription", constants.spine_oversubscription}});
    return {{"kind", "moesaic.fitted_constants/1"},
            {"fitted_on", study_.baseline + " on " + study_.fitted_row},
            {"provenance", study_.rows[fitted_].baseline.provenance},
            {"priors", {{"gemm_efficiency", study_.axes.gemm_prior}, {"link_efficiency", study_.axes.link_prior}}},
            {"constants", document_of(fit_.chosen)},
            {"memory_fits_as_well", memory},
            {"rates_fit_as_well", as_good},
            {"links_too_slow", too_slow}};
  }

  Json document_of_cell(const Cell& cell) const {
    return {{"tokens_per_second", cell.tokens_per_second},
            {"paper_tokens_per_second", cell.paper->tokens_per_second},
            {"error", cell.error()},
            {"memory_bytes", cell.memory_bytes},
            {"paper_memory_bytes", cell.paper->memory_bytes},
            {"memory_error", cell.memory_error()},
            {"provenance", cell.paper->provenance},
            {"step_seconds", cell.step_seconds},
            {"excess_seconds", cell.excess()},
            {"class_seconds", class_document(cell.classes)}};
  }

  /// What the paper's system saves beyond the prediction, and the classes of its predicted step that are long enough to
  /// hold that.
  static Json missing_saving(const Row& row) {
    const Seconds paper =
        row.baseline.step_seconds - row.baseline.excess() - (row.system.step_seconds - row.system.excess());
    const Seconds predicted = row.baseline.step_seconds - row.system.step_seconds;
    Json holders = Json::array();
    for (size_t i = 0; i < row.system.classes.size(); ++i)
      if (row.system.classes[i] >= paper - predicted) holders.push_back(name_of(static_cast<TaskClass>(i)));
    return {{"paper_seconds", paper}, {"predicted_seconds", predicted}, {"classes_that_could_hold_the_rest", holders}};
  }

  Json document_of_row(size_t index) const {
    const Row& row = cells_[index];
    return {
        {"model", study_.rows[index].model},
        {"gpus", inputs_.rows[index].cluster.num_devices()},
        {"fitted", index == fitted_},
        {"ratio", row.ratio()},
        {"paper_ratio", row.paper_ratio()},
        {study_.baseline, document_of_cell(row.baseline)},
        {study_.system, document_of_cell(row.system)},
        {"memory_saving_bytes", row.baseline.memory_bytes - row.system.memory_bytes},
        {"paper_memory_saving_bytes", row.baseline.paper->memory_bytes - row.system.paper->memory_bytes},
        {"saving", missing_saving(row)},
        {"differs_most_from_the_fitted_cell", differs_most(row.baseline.classes, cells_[fitted_].baseline.classes)}};
  }

  /// Largest deviations over the predicted cells: all of the table but the fitted one.
  Json summary() const {
    double ratio = 0, absolute = 0, memory = 0;
    for (size_t i = 0; i < cells_.size(); ++i) {
      ratio = std::max(ratio, std::abs(cells_[i].ratio() - cells_[i].paper_ratio()));
      for (const Cell* cell : {&cells_[i].baseline, &cells_[i].system}) {
        if (i == fitted_ && cell == &cells_[i].baseline) continue;
        absolute = std::max(absolute, std::abs(cell->error()));
        memory = std::max(memory, std::abs(cell->memory_error()));
      }
    }
    const Row& fitted = cells_[fitted_];
    return {{"constants", document_of(fit_.chosen)},
            {"ratio_of_fitted_row", fitted.ratio()},
            {"paper_ratio_of_fitted_row", fitted.paper_ratio()},
            {"largest_ratio_deviation", ratio},
            {"largest_throughput_error", absolute},
            {"largest_memory_error", memory},
            {"fitted_memory_error", fitted.baseline.memory_error()}};
  }

  Json result_document() const {
    Json rows = Json::array();
    for (size_t i = 0; i < cells_.size(); ++i) rows.push_back(document_of_row(i));
    return {{"kind", "moesaic.result/1"},
            {"experiment", study_.name},
            {"baseline", study_.baseline},
            {"system", study_.system},
            {"summary", summary()},
            {"rows", rows},
            {"fitted_constants", constants_document()}};
  }

  const TableStudy& study_;
  const TableInputs& inputs_;
  const TableHooks& hooks_;
  size_t fitted_ = 0;
  Fit fit_;
  std::vector<Row> cells_;
};

}  // namespace

Json run_table_study(const TableStudy& study, const TableInputs& inputs, const TableHooks& hooks) {
  return Study(study, inputs, hooks).run();
}

}  // namespace moesaic::experiments
