#include "experiments/02_semoe_training_table/study.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/schema/error.h"
#include "experiments/figures/statistics.h"

namespace moesaic::experiments {
namespace {

constexpr double kFitsAsWell = 0.05;  // of throughput and memory of the fitted cell

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

/// Kernels as they were measured on the paper's device, collectives inside a node too.
planner::Problem load_row(const DocumentNames& row, const std::string& routing, const Laboratory& laboratory) {
  planner::Problem problem;
  problem.model = laboratory.model(row.model);
  problem.cluster = laboratory.cluster(row.cluster);
  problem.workload = laboratory.workload(row.workload);
  problem.routing = laboratory.routing(routing);
  problem.profile = laboratory.profile(problem.cluster);
  return problem;
}

/// The class that differs most between two predictions.
std::string differs_most(const ClassSeconds& a, const ClassSeconds& b) {
  size_t most = 0;
  for (size_t i = 0; i < a.of.size(); ++i)
    if (std::abs(a.of[i] - b.of[i]) > std::abs(a.of[most] - b.of[most])) most = i;
  return a == b ? "" : name_of(static_cast<TaskClass>(most));
}

bool differ_in_one(const Unknowns& a, const Unknowns& b) {
  const auto of_a = in_words(a), of_b = in_words(b);
  return std::inner_product(of_a.begin(), of_a.end(), of_b.begin(), 0, std::plus<>(), std::not_equal_to<>()) == 1;
}

TableSaving saving_of(const TableCell& baseline, const TableCell& system) {
  TableSaving saving;
  saving.paper_seconds =
      baseline.step_seconds - baseline.excess_seconds - (system.step_seconds - system.excess_seconds);
  saving.predicted_seconds = baseline.step_seconds - system.step_seconds;
  const Seconds rest = saving.paper_seconds - saving.predicted_seconds;
  for (size_t i = 0; i < system.class_seconds.of.size() && rest > 0; ++i)
    if (system.class_seconds.of[i] >= rest)
      saving.classes_that_could_hold_the_rest.emplace_back(name_of(static_cast<TaskClass>(i)));
  return saving;
}

TableSummary summary_of(const std::vector<TableRow>& rows, const std::vector<TriedUnknowns>& tried) {
  TableSummary summary;
  summary.unknowns = tried.front().unknowns;
  summary.least_ratio = summary.largest_ratio = tried.front().ratio;
  for (const TriedUnknowns& of : tried) {
    if (std::abs(of.throughput_error) > kFitsAsWell || std::abs(of.memory_error) > kFitsAsWell) continue;
    ++summary.fit_as_well;
    summary.least_ratio = std::min(summary.least_ratio, of.ratio);
    summary.largest_ratio = std::max(summary.largest_ratio, of.ratio);
  }
  std::vector<double> errors, null_errors;
  for (const TableRow& row : rows) {
    summary.largest_ratio_deviation = std::max(summary.largest_ratio_deviation, std::abs(row.ratio - row.paper_ratio));
    for (const TableCell* cell : {&row.baseline, &row.system}) {
      if (row.fitted && cell == &row.baseline) continue;
      errors.push_back(std::abs(cell->error));
      null_errors.push_back(std::abs(cell->null_error));
      summary.largest_memory_error = std::max(summary.largest_memory_error, std::abs(cell->memory_error));
    }
    if (!row.fitted) continue;
    summary.ratio_of_fitted_row = row.ratio;
    summary.paper_ratio_of_fitted_row = row.paper_ratio;
    summary.fitted_throughput_error = row.baseline.error;
    summary.fitted_memory_error = row.baseline.memory_error;
  }
  summary.largest_throughput_error = *std::max_element(errors.begin(), errors.end());
  summary.median_throughput_error = median(errors);
  summary.null_median_throughput_error = median(null_errors);
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
    tried_ = try_unknowns(
        {problems_[fitted_], baseline_.preset, system_.preset, spent.tokens_per_second, spent.memory_bytes}, axes_.fit,
        *laboratory_.evaluator);
    null_tokens_per_gpu_ = spent.tokens_per_second / problems_[fitted_].cluster.num_devices();
    TableResult result;
    result.experiment = axes_.name, result.baseline = axes_.baseline, result.system = axes_.system;
    for (size_t i = 0; i < problems_.size(); ++i) {
      result.rows.push_back(row(i));
      laboratory_.progress(static_cast<int>(i) + 1, static_cast<int>(problems_.size()), "rows");
    }
    const ClassSeconds fitted = result.rows[fitted_].baseline.class_seconds;
    for (TableRow& row : result.rows)
      row.differs_most_from_the_fitted_cell = differs_most(row.baseline.class_seconds, fitted);
    for (const StatesAxes& of : axes_.states) result.states.push_back(alternative(of, result.rows[fitted_].baseline));
    for (const CheckAxes& of : axes_.checks) result.checks.push_back(check(of));
    constexpr std::ptrdiff_t kShown = 10;
    result.num_tried = std::ssize(tried_);
    result.nearest.assign(tried_.begin(), tried_.begin() + std::min(kShown, std::ssize(tried_)));
    for (const TriedUnknowns& of : tried_)
      if (differ_in_one(of.unknowns, tried_.front().unknowns)) result.one_changed.push_back(of);
    result.summary = summary_of(result.rows, tried_);
    result.fitted_constants = FittedConstants{"moesaic.fitted_constants/1", axes_.baseline + " on " + axes_.fitted_row,
                                              spent.provenance, tried_.front().unknowns, tried_};
    return result;
  }

 private:
  TableCell cell(size_t row, const System& system) const {
    const PublishedTraining& paper = system.published.training_of(axes_.rows[row].model);
    const Unknowns& unknowns = tried_.front().unknowns;
    const Plan plan = cell_plan(problems_[row], system.preset, unknowns);
    const Timeline timeline = laboratory_.simulate(plan);
    TableCell cell;
    cell.tokens_per_second = static_cast<double>(plan.workload.tokens_per_step()) / timeline.step_seconds;
    cell.paper_tokens_per_second = paper.tokens_per_second;
    cell.error = cell.tokens_per_second / paper.tokens_per_second - 1;
    cell.null_error = null_tokens_per_gpu_ * plan.layout.ranks / paper.tokens_per_second - 1;
    cell.memory_bytes = peak_memory(timeline) + kept_score_bytes(plan, unknowns);
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

  StatesAlternative alternative(const StatesAxes& of, const TableCell& baseline) const {
    System system = system_;
    system.preset.set(&Layout::zero, of.zero);
    system.preset.set(&OptimizerStep::optimizer_passes, of.optimizer_passes);
    if (of.zero < 3) {
      system.preset.set(&Buckets::fused_parameter_bytes, 0);
      system.preset.set(&Prefetch::dense, 0);
    }
    const TableCell made = cell(fitted_, system);
    return {of.zero,
            name_of(of.optimizer_passes),
            made.tokens_per_second,
            made.error,
            made.tokens_per_second / baseline.tokens_per_second,
            made.memory_bytes,
            made.memory_error};
  }

  /// With the workload's own sequence length and the model's own top_k, all else as chosen.
  TableCheck check(const CheckAxes& of) const {
    const planner::Problem problem = load_row(of.documents, axes_.routing, laboratory_);
    Unknowns unknowns = tried_.front().unknowns;
    unknowns.sequence_length = problem.workload.sequence_length;
    unknowns.top_k = problem.model.top_k;
    const Plan plan = cell_plan(problem, baseline_.preset, unknowns);
    const Timeline timeline = laboratory_.simulate(plan);
    TableCheck made;
    made.model = of.documents.model, made.provenance = of.provenance;
    made.gpus = problem.cluster.num_devices();
    made.samples_per_second = static_cast<double>(problem.workload.global_batch) / timeline.step_seconds;
    made.published_samples_per_second = of.samples_per_second;
    made.error = made.samples_per_second / of.samples_per_second - 1;
    made.memory_bytes = peak_memory(timeline) + kept_score_bytes(plan, unknowns);
    made.class_seconds = class_seconds(timeline);
    return made;
  }

  const TableAxes& axes_;
  const Laboratory& laboratory_;
  const System baseline_, system_;
  std::vector<planner::Problem> problems_;  // [rows]
  size_t fitted_ = 0;
  std::vector<TriedUnknowns> tried_;
  double null_tokens_per_gpu_ = 0;
};

}  // namespace

TableResult run_table_study(const TableAxes& axes, const Laboratory& laboratory) {
  return TableRun(axes, laboratory).result();
}

const Study kTableStudy =
    typed_study<read_table_axes, run_table_study, training_tables>("training_table", nullptr, "fitted_constants");

}  // namespace moesaic::experiments
