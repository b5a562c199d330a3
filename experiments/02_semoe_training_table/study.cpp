#include "experiments/02_semoe_training_table/study.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/cost/plain_cost_model.h"
#include "core/schema/error.h"

namespace moesaic::experiments {
namespace {

/// A published system as the suite makes it.
struct System {
  PublishedSystem published;
  planner::Fixed preset;
};

System load_system(const std::string& name, const Laboratory& laboratory) {
  System system{laboratory.system(name), {}};
  system.preset = laboratory.preset(system.published.preset);
  return system;
}

/// Nothing was measured on the paper's devices: prices are peak rates times an efficiency.
planner::Problem load_row(const DocumentNames& row, const std::string& routing, const Laboratory& laboratory) {
  planner::Problem problem;
  problem.model = laboratory.model(row.model);
  problem.cluster = laboratory.cluster(row.cluster);
  problem.workload = laboratory.workload(row.workload);
  problem.routing = laboratory.routing(routing);
  problem.profile = plain_profile(problem.cluster);
  return problem;
}

/// The class that differs most between two predictions.
std::string differs_most(const ClassSeconds& a, const ClassSeconds& b) {
  size_t most = 0;
  for (size_t i = 0; i < a.of.size(); ++i)
    if (std::abs(a.of[i] - b.of[i]) > std::abs(a.of[most] - b.of[most])) most = i;
  return a == b ? "" : name_of(static_cast<TaskClass>(most));
}

TableSaving saving_of(const TableCell& baseline, const TableCell& system) {
  TableSaving saving;
  saving.paper_seconds =
      baseline.step_seconds - baseline.excess_seconds - (system.step_seconds - system.excess_seconds);
  saving.predicted_seconds = baseline.step_seconds - system.step_seconds;
  for (size_t i = 0; i < system.class_seconds.of.size(); ++i)
    if (system.class_seconds.of[i] >= saving.paper_seconds - saving.predicted_seconds)
      saving.classes_that_could_hold_the_rest.emplace_back(name_of(static_cast<TaskClass>(i)));
  return saving;
}

TableSummary summary_of(const std::vector<TableRow>& rows, const Constants& constants) {
  TableSummary summary;
  summary.constants = constants;
  for (const TableRow& row : rows) {
    summary.largest_ratio_deviation = std::max(summary.largest_ratio_deviation, std::abs(row.ratio - row.paper_ratio));
    for (const TableCell* cell : {&row.baseline, &row.system}) {
      if (row.fitted && cell == &row.baseline) continue;
      summary.largest_throughput_error = std::max(summary.largest_throughput_error, std::abs(cell->error));
      summary.largest_memory_error = std::max(summary.largest_memory_error, std::abs(cell->memory_error));
    }
    if (!row.fitted) continue;
    summary.ratio_of_fitted_row = row.ratio;
    summary.paper_ratio_of_fitted_row = row.paper_ratio;
    summary.fitted_memory_error = row.baseline.memory_error;
  }
  return summary;
}

class TableRun {
 public:
  TableRun(const TableAxes& axes, const Laboratory& laboratory)
      : axes_(axes),
        laboratory_(laboratory),
        baseline_(load_system(axes.baseline, laboratory)),
        system_(load_system(axes.system, laboratory)) {
    const PublishedSystem& published = system_.published;
    if (published.baseline != axes.baseline)
      throw InputError(
          published.file, "/baseline",
          published.name + " is compared with '" + published.baseline + "', not with '" + axes.baseline + "'");
    for (const DocumentNames& row : axes.rows) problems_.push_back(load_row(row, axes.routing, laboratory));
    const auto fitted = std::find_if(axes.rows.begin(), axes.rows.end(),
                                     [&](const DocumentNames& row) { return row.model == axes.fitted_row; });
    MOESAIC_CHECK(fitted != axes.rows.end(), "the fitted row is not in the table");
    fitted_ = static_cast<size_t>(fitted - axes.rows.begin());
  }

  TableResult result() {
    const PublishedTraining& spent = baseline_.published.training_of(axes_.fitted_row);
    fit_ = fit_constants({problems_[fitted_], baseline_.preset, spent.tokens_per_second, spent.memory_bytes}, axes_.fit,
                         *laboratory_.evaluator);
    TableResult result{axes_.name, axes_.baseline, axes_.system, {}, {}, {}};
    for (size_t i = 0; i < problems_.size(); ++i) {
      result.rows.push_back(row(i));
      laboratory_.progress(static_cast<int>(i) + 1, static_cast<int>(problems_.size()), "rows");
    }
    const ClassSeconds fitted = result.rows[fitted_].baseline.class_seconds;
    for (TableRow& row : result.rows)
      row.differs_most_from_the_fitted_cell = differs_most(row.baseline.class_seconds, fitted);
    result.summary = summary_of(result.rows, fit_.chosen);
    result.fitted_constants = constants(spent.provenance);
    return result;
  }

 private:
  TableCell cell(size_t row, const System& system) const {
    const PublishedTraining& paper = system.published.training_of(axes_.rows[row].model);
    const Plan plan = cell_plan(problems_[row], system.preset, fit_.chosen);
    const Timeline timeline = laboratory_.simulate(plan);
    TableCell cell;
    cell.tokens_per_second = static_cast<double>(plan.workload.tokens_per_step()) / timeline.step_seconds;
    cell.paper_tokens_per_second = paper.tokens_per_second;
    cell.error = cell.tokens_per_second / paper.tokens_per_second - 1;
    cell.memory_bytes = peak_memory(timeline) + kept_score_bytes(plan, fit_.chosen);
    cell.paper_memory_bytes = paper.memory_bytes;
    cell.memory_error = static_cast<double>(cell.memory_bytes) / static_cast<double>(paper.memory_bytes) - 1;
    cell.provenance = paper.provenance;
    cell.step_seconds = timeline.step_seconds;
    cell.excess_seconds = timeline.step_seconds * (1 - cell.tokens_per_second / paper.tokens_per_second);
    cell.class_seconds = class_seconds(timeline);
    return cell;
  }

  TableRow row(size_t index) const {
    TableRow row;
    row.baseline_name = axes_.baseline;
    row.system_name = axes_.system;
    row.model = axes_.rows[index].model;
    row.gpus = problems_[index].cluster.num_devices();
    row.fitted = index == fitted_;
    row.baseline = cell(index, baseline_);
    row.system = cell(index, system_);
    row.ratio = row.system.tokens_per_second / row.baseline.tokens_per_second;
    row.paper_ratio = row.system.paper_tokens_per_second / row.baseline.paper_tokens_per_second;
    row.memory_saving_bytes = row.baseline.memory_bytes - row.system.memory_bytes;
    row.paper_memory_saving_bytes = row.baseline.paper_memory_bytes - row.system.paper_memory_bytes;
    row.saving = saving_of(row.baseline, row.system);
    return row;
  }

  /// The ratio of the fitted row under every combination of constants that fits the cell: how much of it is free.
  std::vector<RatesThatFit> rates_that_fit() const {
    std::vector<Plan> plans;
    for (const Constants& constants : fit_.as_good) {
      plans.push_back(cell_plan(problems_[fitted_], baseline_.preset, constants));
      plans.push_back(cell_plan(problems_[fitted_], system_.preset, constants));
    }
    const std::vector<Evaluation> evaluations = laboratory_.evaluator->evaluate(plans);
    std::vector<RatesThatFit> rates;
    for (size_t i = 0; i < fit_.as_good.size(); ++i)
      rates.push_back({fit_.as_good[i],
                       evaluations[2 * i].prediction.step_seconds / evaluations[2 * i + 1].prediction.step_seconds});
    return rates;
  }

  FittedConstants constants(const std::string& provenance) const {
    FittedConstants made;
    made.fitted_on = axes_.baseline + " on " + axes_.fitted_row;
    made.provenance = provenance;
    made.priors = {axes_.fit.gemm_prior, axes_.fit.link_prior};
    made.constants = fit_.chosen;
    for (const MemoryFit& fit : fit_.memory)
      if (std::abs(fit.error) <= axes_.fit.memory_tolerance || &fit == &fit_.memory.front())
        made.memory_fits_as_well.push_back(fit);
    made.rates_fit_as_well = rates_that_fit();
    for (const Constants& slow : fit_.too_slow)
      made.links_too_slow.push_back({slow.link_efficiency, slow.spine_oversubscription});
    return made;
  }

  const TableAxes& axes_;
  const Laboratory& laboratory_;
  const System baseline_, system_;
  std::vector<planner::Problem> problems_;  // [rows]
  size_t fitted_ = 0;
  Fit fit_;
};

}  // namespace

TableResult run_table_study(const TableAxes& axes, const Laboratory& laboratory) {
  return TableRun(axes, laboratory).result();
}

const Study kTableStudy =
    typed_study<read_table_axes, run_table_study, training_tables>("training_table", nullptr, "fitted_constants");

}  // namespace moesaic::experiments
