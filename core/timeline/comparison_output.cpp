// A comparison as JSON for programs and as tables for people.
#include <algorithm>
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

/// The unit in which all times of a comparison's tables are: the longer step has readable numbers in it.
struct TableUnit {
  const char* name;
  double per_second;
};

TableUnit unit_of(const Comparison& comparison) {
  const Seconds step = std::max(comparison.predicted_step, comparison.measured_step);
  if (step >= 10) return {"s", 1};
  return step >= 1e-3 ? TableUnit{"ms", 1e3} : TableUnit{"us", 1e6};
}

std::string title_row(const TableUnit& unit, const std::string& title, int width, const char* share_title) {
  return formatted("\n  %-*s %12s %12s %11s", width, title.c_str(), (std::string("predicted ") + unit.name).c_str(),
                   (std::string("measured ") + unit.name).c_str(), share_title);
}

std::string table_row(const TableUnit& unit, const std::string& name, int width, Seconds predicted, Seconds measured,
                      double error) {
  return formatted("  %-*s %12.3f %12.3f %11s", width, name.c_str(), unit.per_second * predicted,
                   unit.per_second * measured, format_change(error).c_str());
}

/// What neither side has is left out.
template <typename Sum>
std::string sums_table(const TableUnit& unit, const char* title, const std::vector<Sum>& sums, const char* share_title,
                       double Sum::*share) {
  std::string text = title_row(unit, title, 21, share_title) + "\n";
  for (const Sum& sum : sums)
    if (sum.predicted > 0 || sum.measured > 0)
      text += table_row(unit, sum.name, 21, sum.predicted, sum.measured, sum.*share) + "\n";
  return text;
}

std::string worst_table(const TableUnit& unit, const std::vector<TaskComparison>& tasks) {
  int width = 20;
  for (const TaskComparison& task : tasks) width = std::max(width, static_cast<int>(task.label.size()));
  std::string text = title_row(unit, "worst tasks", width, "error") + formatted(" %11s\n", "of the step");
  for (const TaskComparison& task : tasks)
    text += table_row(unit, task.label, width, task.predicted, task.measured, task.relative_error) +
            formatted(" %11s\n", format_change(task.contribution, 2).c_str());
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
  std::string text = "step: predicted " + format_seconds(comparison.predicted_step);
  if (comparison.planned)
    text += " with the routing of the run (" + format_seconds(comparison.planned->seconds) + " as planned)";
  return text + ", measured " + format_seconds(comparison.measured_step) + ", error " +
         format_change(comparison.step_error) + "\n";
}

std::string parts_of_error(const Comparison& comparison) {
  if (!has_parts_of_error(comparison)) return "";
  const double total = comparison.planned->error;
  return "\nstep error as planned " + format_change(total) + " = prices " + format_change(comparison.step_error) +
         ", routing forecast " + format_change(total - comparison.step_error) + "\n";
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
    text += formatted("undisturbed steps: %d of %d%s, median ", undisturbed.steps, undisturbed.of, first) +
            format_seconds(undisturbed.median) + ", error " + format_change(disturbance.undisturbed_step_error) + "\n";
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
  text += "tasks: median error " + format_share(comparison.median_task_error) + ", 95th percentile " +
          format_share(comparison.p95_task_error) +
          formatted(" (%d of %zu tasks: those longer than 20 us or 0.1 %% of the step)\n", comparison.counted_tasks,
                    comparison.tasks.size());
  text += one_sided("predicted", comparison.only_predicted) + one_sided("measured", comparison.only_measured);
  const TableUnit unit = unit_of(comparison);
  text += worst_table(unit, worst_tasks(comparison, kWorstTasks));
  if (comparison.num_stages > 1)
    text += "\n  operators and lanes: sum over tasks of each task's mean over the ranks that ran it (stages add up)\n";
  text += sums_table(unit, "operators", comparison.operators, "error", &GroupComparison::relative_error);
  text += sums_table(unit, "lanes", comparison.lanes, "error", &GroupComparison::relative_error);
  text += sums_table(unit, "time of a rank", comparison.breakdown, "of the step", &TimeComparison::contribution);
  return text + parts_of_error(comparison);
}

}  // namespace moesaic
