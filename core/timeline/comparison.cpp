#include "core/timeline/comparison.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <unordered_map>

#include "core/timeline/breakdown.h"
#include "core/timeline/stage_waits.h"

namespace moesaic {
namespace {

constexpr Seconds kClockUnit = 1e-9;           // std::chrono::steady_clock counts nanoseconds
constexpr Seconds kCountedSeconds = 20e-6;     // tasks below are dominated by scheduling noise
constexpr double kCountedShareOfStep = 0.001;  // ... unless the whole step is so short that they matter

double relative_error(Seconds predicted, Seconds measured) {
  return predicted == measured ? 0 : (predicted - measured) / std::max(measured, kClockUnit);
}

using Groups = std::map<int, GroupComparison>;  // by the enumerator

template <typename Key>
void add_to_groups(Groups& groups, const Timeline& timeline, const std::vector<Seconds>& means, Key TaskRow::*key,
                   bool predicted) {
  for (size_t task = 0; task < means.size(); ++task) {
    if (means[task] < 0) continue;
    GroupComparison& group = groups[static_cast<int>(timeline.rows[task].*key)];
    group.name = name_of(timeline.rows[task].*key);
    (predicted ? group.predicted : group.measured) += means[task];
    ++(predicted ? group.predicted_tasks : group.measured_tasks);
  }
}

template <typename Key>
std::vector<GroupComparison> grouped(const Timeline& predicted, const std::vector<Seconds>& predicted_means,
                                     const Timeline& measured, const std::vector<Seconds>& measured_means,
                                     Key TaskRow::*key) {
  Groups groups;
  add_to_groups(groups, predicted, predicted_means, key, true);
  add_to_groups(groups, measured, measured_means, key, false);
  std::vector<GroupComparison> result;
  for (auto& [enumerator, group] : groups) {
    group.relative_error = relative_error(group.predicted, group.measured);
    result.push_back(std::move(group));
  }
  return result;
}

std::vector<TimeComparison> compared_breakdowns(const Timeline& predicted, const Timeline& measured) {
  const auto predicted_phases = step_breakdown(predicted), measured_phases = step_breakdown(measured);
  std::vector<TimeComparison> result;
  for (size_t field = 0; field < std::size(kPhaseTimeFields); ++field) {
    TimeComparison time{kPhaseTimeNames[field]};
    for (const PhaseTime& phase : predicted_phases) time.predicted += phase.*kPhaseTimeFields[field];
    for (const PhaseTime& phase : measured_phases) time.measured += phase.*kPhaseTimeFields[field];
    time.contribution = (time.predicted - time.measured) / std::max(measured.step_seconds, kClockUnit);
    result.push_back(std::move(time));
  }
  return result;
}

void summarise_errors(Comparison& comparison) {
  std::vector<double> errors;
  for (const TaskComparison& task : comparison.tasks) {
    if (task.counted) errors.push_back(std::abs(task.relative_error));
  }
  comparison.counted_tasks = static_cast<int>(errors.size());
  if (errors.empty()) return;
  std::sort(errors.begin(), errors.end());
  const size_t n = errors.size();
  comparison.median_task_error = (errors[(n - 1) / 2] + errors[n / 2]) / 2;
  comparison.p95_task_error = errors[(95 * n + 99) / 100 - 1];  // ceil(0.95 n), from 1
}

TaskComparison compare_task(const TaskRow& row, Seconds predicted, Seconds measured, Seconds measured_step) {
  TaskComparison task{row.label, row.op, row.lane, predicted, measured};
  task.relative_error = relative_error(predicted, measured);
  task.contribution = (predicted - measured) / std::max(measured_step, kClockUnit);
  task.counted = std::max(predicted, measured) > std::min(kCountedSeconds, kCountedShareOfStep * measured_step);
  return task;
}

}  // namespace

OfTasks<Seconds> mean_durations(const Timeline& timeline) {
  OfTasks<Seconds> sum(timeline.rows.size(), 0);
  OfTasks<int> count(timeline.rows.size(), 0);
  const std::vector<Seconds> waits = ends_of_stage_waits(timeline);
  for (size_t i = 0; i < waits.size(); ++i) {
    const TaskTime& time = timeline.times[i];
    sum[time.task] += time.end - waits[i];
    ++count[time.task];
  }
  for (size_t task = 0; task < sum.size(); ++task) sum[task] = count[task] == 0 ? -1 : sum[task] / count[task];
  return sum;
}

Comparison compare(const Timeline& predicted, const Timeline& measured) {
  Comparison comparison;
  comparison.num_stages = std::max(predicted.num_stages, measured.num_stages);
  comparison.same_plan = predicted.plan_hash == measured.plan_hash;
  comparison.predicted_step = predicted.step_seconds;
  comparison.measured_step = measured.step_seconds;
  comparison.step_error = relative_error(predicted.step_seconds, measured.step_seconds);

  const std::vector<Seconds> predicted_means = mean_durations(predicted);
  const std::vector<Seconds> measured_means = mean_durations(measured);
  std::unordered_map<std::string, Seconds> predicted_by_label;  // what the measured side has not claimed yet
  for (size_t task = 0; task < predicted_means.size(); ++task) {
    if (predicted_means[task] >= 0) predicted_by_label[predicted.rows[task].label] = predicted_means[task];
  }
  for (size_t task = 0; task < measured_means.size(); ++task) {
    if (measured_means[task] < 0) continue;
    const TaskRow& row = measured.rows[task];
    const auto match = predicted_by_label.find(row.label);
    if (match == predicted_by_label.end()) {
      comparison.only_measured.push_back(row.label);
      continue;
    }
    comparison.tasks.push_back(compare_task(row, match->second, measured_means[task], measured.step_seconds));
    predicted_by_label.erase(match);
  }
  for (const TaskRow& row : predicted.rows) {
    if (predicted_by_label.contains(row.label)) comparison.only_predicted.push_back(row.label);
  }
  summarise_errors(comparison);
  comparison.operators = grouped(predicted, predicted_means, measured, measured_means, &TaskRow::op);
  comparison.lanes = grouped(predicted, predicted_means, measured, measured_means, &TaskRow::lane);
  comparison.breakdown = compared_breakdowns(predicted, measured);
  return comparison;
}

PlannedStep compare_planned(Seconds planned_step, Seconds measured_step) {
  return {planned_step, relative_error(planned_step, measured_step)};
}

DisturbedComparison compare_undisturbed(Seconds predicted_step, const MeasuredSteps& measured) {
  DisturbedComparison result;
  result.run = measured.disturbance;
  const std::vector<double>& by_step = result.run.by_step;
  result.undisturbed = undisturbed_steps(measured.seconds, by_step);
  if (result.undisturbed.steps > 0)
    result.undisturbed_step_error = relative_error(predicted_step, result.undisturbed.median);
  if (!by_step.empty()) result.shown_share = by_step[static_cast<size_t>(measured.shown)];
  return result;
}

std::vector<TaskComparison> worst_tasks(const Comparison& comparison, size_t count) {
  std::vector<TaskComparison> tasks = comparison.tasks;
  std::sort(tasks.begin(), tasks.end(), [](const TaskComparison& a, const TaskComparison& b) {
    return std::forward_as_tuple(-std::abs(a.predicted - a.measured), a.label) <
           std::forward_as_tuple(-std::abs(b.predicted - b.measured), b.label);
  });
  if (tasks.size() > count) tasks.resize(count);
  return tasks;
}

}  // namespace moesaic
