#pragma once
// A predicted timeline against a measured one, task by task: every error belongs to a task. It judges nothing and
// changes neither.

#include <optional>
#include <string>
#include <vector>

#include "core/timeline/disturbance.h"
#include "core/timeline/timeline.h"

namespace moesaic {

/// Seconds are means over the ranks that ran the task, without their waits for other pipeline stages.
struct TaskComparison {
  std::string label;
  Op op = Op::add;
  Lane lane = Lane::compute;
  Seconds predicted = 0;
  Seconds measured = 0;
  double relative_error = 0;  // (predicted - measured) / measured
  double contribution =
      0;  // (predicted - measured) / measured step; tasks overlap, so these need not add up to the step error
  bool counted = false;  // long enough for the median and the 95th percentile
};

/// Sums over all tasks of one operator or lane, those that only one side has included.
struct GroupComparison {
  std::string name;
  int predicted_tasks = 0;
  int measured_tasks = 0;
  Seconds predicted = 0;
  Seconds measured = 0;
  double relative_error = 0;
};

/// What disturbed the measured run, and how far the prediction is from the steps that nothing disturbed.
struct DisturbedComparison {
  RunDisturbance run;
  UndisturbedSteps undisturbed;
  double undisturbed_step_error = 0;  // (predicted - their median) / their median; 0 where there are none
  double shown_share = 0;             // lost in the step whose tasks are compared
};

/// What a rank's step goes to, over all phases: a field of PhaseTime.
struct TimeComparison {
  std::string name;
  Seconds predicted = 0;
  Seconds measured = 0;
  double contribution = 0;  // (predicted - measured) / measured step
};

/// What the plan says, with the routing that it was made for.
struct PlannedStep {
  Seconds seconds = 0;
  double error = 0;  // (seconds - measured) / measured
};

struct Comparison {
  int num_stages = 1;     // of the side with more
  bool same_plan = true;  // false: the plan hashes differ, and figures compare two plans
  Seconds predicted_step = 0;
  Seconds measured_step = 0;
  double step_error = 0;               // (predicted - measured) / measured
  std::optional<PlannedStep> planned;  // where the predicted timeline has the routing of the run, not the plan's
  double median_task_error = 0;        // of |relative_error| over the counted tasks
  double p95_task_error = 0;           // nearest rank
  int counted_tasks = 0;
  std::vector<TaskComparison> tasks;        // on both sides, in the order of the measured task table
  std::vector<GroupComparison> operators;   // in the order of Op
  std::vector<GroupComparison> lanes;       // in the order of Lane
  std::vector<TimeComparison> breakdown;    // in the order of kPhaseTimeFields
  std::vector<std::string> only_predicted;  // labels
  std::vector<std::string> only_measured;
  std::optional<DisturbedComparison> disturbance;  // of a measurement that says so
};

/// Mean duration of each task over the ranks that ran it, without their waits for other pipeline stages; negative where
/// no rank did. [tasks]
OfTasks<Seconds> mean_durations(const Timeline& timeline);

/// A task is counted when its longer side is longer than 20 us or than 0.1 % of the measured step, whichever is less.
/// Measured times below 1 ns (the unit of the clock) count as 1 ns in a denominator.
Comparison compare(const Timeline& predicted, const Timeline& measured);

/// The plan's own prediction against the same measured step.
PlannedStep compare_planned(Seconds planned_step, Seconds measured_step);

/// The prediction against the steps of the measured run that nothing disturbed.
DisturbedComparison compare_undisturbed(Seconds predicted_step, const MeasuredSteps& measured);

/// The tasks with the largest |predicted - measured|, worst first; ties by label.
std::vector<TaskComparison> worst_tasks(const Comparison& comparison, size_t count);

Json write_comparison(const Comparison& comparison);

/// For people: headline, the 10 worst tasks, operators, lanes.
std::string comparison_table(const Comparison& comparison);

}  // namespace moesaic
