// A comparison as JSON for programs and as tables for people.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/schema/formatted.h"
#include "core/timeline/comparison.h"

namespace moesaic {
namespace {

constexpr size_t kWorstTasks = 10;

Json write_groups(const std::vector<GroupComparison>& groups) {
  Json list = Json::array();
  for (const GroupComparison& group : groups) {
    list.push_back({{"name", group.name},
                    {"predicted_tasks", group.predicted_tasks},
                    {"measured_tasks", group.measured_tasks},
                    {"predicted_seconds", group.predicted},
                    {"measured_seconds", group.measured},
                    {"relative_error", group.relative_error}});
  }
  return list;
}

Json write_breakdown(const std::vector<TimeComparison>& breakdown) {
  Json list = Json::array();
  for (const TimeComparison& time : breakdown)
    list.push_back({{"name", time.name},
                    {"predicted_seconds", time.predicted},
                    {"measured_seconds", time.measured},
                    {"contribution", time.contribution}});
  return list;
}

Json write_tasks(const std::vector<TaskComparison>& tasks) {
  Json list = Json::array();
  for (const TaskComparison& task : tasks) {
    list.push_back({{"label", task.label},
                    {"operator", name_of(task.op)},
                    {"lane", name_of(task.lane)},
                    {"predicted_seconds", task.predicted},
                    {"measured_seconds", task.measured},
                    {"relative_error", task.relative_error},
                    {"contribution", task.contribution},
                    {"counted", task.counted}});
  }
  return list;
}

/// Signed, with a unit; what rounds to nothing is "+0.0 %" whatever its sign.
std::string percent(double share, int decimals, int width = 9) {
  const double scale = std::pow(10, decimals);
  const double rounded = std::round(100 * share * scale) / scale;
  return formatted(" %+*.*f %%", width, decimals, rounded == 0 ? 0.0 : rounded);
}

std::string table_row(const std::string& name, int width, Seconds predicted, Seconds measured, double error) {
  return formatted("  %-*s %12.3f %12.3f", width, name.c_str(), 1e3 * predicted, 1e3 * measured) + percent(error, 1);
}

/// What neither side has is left out.
template <typename Sum>
std::string sums_table(const char* title, const std::vector<Sum>& sums, const char* share_title, double Sum::*share) {
  std::string text = formatted("\n  %-21s %12s %12s %11s\n", title, "predicted ms", "measured ms", share_title);
  for (const Sum& sum : sums)
    if (sum.predicted > 0 || sum.measured > 0)
      text += table_row(sum.name, 21, sum.predicted, sum.measured, sum.*share) + "\n";
  return text;
}

std::string worst_table(const std::vector<TaskComparison>& tasks) {
  int width = 20;
  for (const TaskComparison& task : tasks) width = std::max(width, static_cast<int>(task.label.size()));
  std::string text = formatted("\n  %-*s %12s %12s %11s %11s\n", width, "worst tasks", "predicted ms", "measured ms",
                               "error", "of the step");
  for (const TaskComparison& task : tasks) {
    text += table_row(task.label, width, task.predicted, task.measured, task.relative_error);
    text += percent(task.contribution, 2) + "\n";
  }
  return text;
}

std::string one_sided(const char* side, const std::vector<std::string>& labels) {
  if (labels.empty()) return "";
  return formatted("%zu tasks are only in the %s timeline, the first is \"%s\"\n", labels.size(), side,
                   labels.front().c_str());
}

/// The error of the plan's own prediction falls apart into prices and routing only where it is the plan that ran.
bool has_parts_of_error(const Comparison& comparison) { return comparison.planned && comparison.same_plan; }

void add_planned(const Comparison& comparison, Json& json) {
  if (!comparison.planned) return;
  json["planned_step_seconds"] = comparison.planned->seconds;
  if (!has_parts_of_error(comparison)) return;
  json["step_error_as_planned"] = comparison.planned->error;
  json["step_error_of_cost"] = comparison.step_error;
  json["step_error_of_routing"] = comparison.planned->error - comparison.step_error;
}

std::string step_line(const Comparison& comparison) {
  std::string text = formatted("step: predicted %.3f ms", 1e3 * comparison.predicted_step);
  if (comparison.planned)
    text += formatted(" with the routing of the run (%.3f ms as planned)", 1e3 * comparison.planned->seconds);
  return text +
         formatted(", measured %.3f ms, error %+.1f %%\n", 1e3 * comparison.measured_step, 100 * comparison.step_error);
}

std::string parts_of_error(const Comparison& comparison) {
  if (!has_parts_of_error(comparison)) return "";
  const double total = comparison.planned->error;
  return "\nstep error as planned" + percent(total, 1, 0) + " = prices" + percent(comparison.step_error, 1, 0) +
         ", routing forecast" + percent(total - comparison.step_error, 1, 0) + "\n";
}

/// The error is null where there are no undisturbed steps.
Json write_disturbed(const DisturbedComparison& disturbance) {
  Json json = write_undisturbed(disturbance.run, disturbance.undisturbed);
  json["undisturbed_step_error"] =
      disturbance.undisturbed.steps > 0 ? Json(disturbance.undisturbed_step_error) : Json();
  json["share_of_shown_step"] = disturbance.shown_share;
  return json;
}

/// "" where nothing disturbed the run.
std::string disturbed_lines(const DisturbedComparison& disturbance) {
  if (!disturbance.run.disturbed()) return "";
  std::string text = sentence_of(disturbance.run) + "\n";
  const UndisturbedSteps& undisturbed = disturbance.undisturbed;
  const char* const first = undisturbed.without_first ? " (the first is not counted)" : "";
  if (undisturbed.steps > 0)
    text += formatted("undisturbed steps: %d of %d%s, median %.3f ms, error %+.1f %%\n", undisturbed.steps,
                      undisturbed.of, first, 1e3 * undisturbed.median, 100 * disturbance.undisturbed_step_error);
  else if (undisturbed.of > 0)
    text += formatted("undisturbed steps: none of %d%s\n", undisturbed.of, first);
  if (disturbance.shown_share >= kDisturbedShare)
    text += formatted("the tasks below are of a step in which a rank lost %.0f %% of its time\n",
                      100 * disturbance.shown_share);
  return text;
}

}  // namespace

Json write_comparison(const Comparison& comparison) {
  Json json = {{"kind", "moesaic.comparison/1"},
               {"same_plan", comparison.same_plan},
               {"predicted_step_seconds", comparison.predicted_step},
               {"measured_step_seconds", comparison.measured_step},
               {"step_error", comparison.step_error},
               {"median_task_error", comparison.median_task_error},
               {"p95_task_error", comparison.p95_task_error},
               {"counted_tasks", comparison.counted_tasks},
               {"tasks", write_tasks(comparison.tasks)},
               {"operators", write_groups(comparison.operators)},
               {"lanes", write_groups(comparison.lanes)},
               {"breakdown", write_breakdown(comparison.breakdown)},
               {"only_predicted", comparison.only_predicted},
               {"only_measured", comparison.only_measured}};
  add_planned(comparison, json);
  if (comparison.disturbance) json["disturbance"] = write_disturbed(*comparison.disturbance);
  return json;
}

std::string comparison_table(const Comparison& comparison) {
  std::string text;
  if (!comparison.same_plan) text += "The two timelines come from different plans.\n";
  text += step_line(comparison);
  if (comparison.disturbance) text += disturbed_lines(*comparison.disturbance);
  text += formatted(
      "tasks: median error %.1f %%, 95th percentile %.1f %% (%d of %zu tasks: those longer than 20 us or 0.1 %% of the "
      "step)\n",
      100 * comparison.median_task_error, 100 * comparison.p95_task_error, comparison.counted_tasks,
      comparison.tasks.size());
  text += one_sided("predicted", comparison.only_predicted) + one_sided("measured", comparison.only_measured);
  text += worst_table(worst_tasks(comparison, kWorstTasks));
  if (comparison.num_stages > 1)
    text += "\n  operators and lanes: sum over tasks of each task's mean over the ranks that ran it (stages add up)\n";
  text += sums_table("operators", comparison.operators, "error", &GroupComparison::relative_error);
  text += sums_table("lanes", comparison.lanes, "error", &GroupComparison::relative_error);
  text += sums_table("time of a rank", comparison.breakdown, "of the step", &TimeComparison::contribution);
  return text + parts_of_error(comparison);
}

}  // namespace moesaic
