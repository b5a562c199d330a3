#include "cli/difference.h"

#include <nlohmann/json.hpp>

#include "cli/results.h"

namespace moesaic::cli {
namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

bool same_figures(const Evaluation& before, const Evaluation& after) {
  const Prediction &a = before.prediction, &b = after.prediction;
  return before.feasible == after.feasible && a.step_seconds == b.step_seconds &&
         a.exposed_communication_seconds == b.exposed_communication_seconds && a.bubble_seconds == b.bubble_seconds &&
         a.exposed_transfer_seconds == b.exposed_transfer_seconds && a.tokens_per_second == b.tokens_per_second &&
         a.peak_bytes == b.peak_bytes && a.tasks == b.tasks;
}

double change_of(double before, double after) { return before > 0 ? after / before - 1 : 0; }

std::string arrow(const std::string& before, const std::string& after, double change) {
  return before + " -> " + after + " (" + format_change(change) + ")";
}

void add_seconds(Rows& rows, const char* name, Seconds before, Seconds after) {
  if (before != after)
    rows.emplace_back(name, arrow(format_seconds(before), format_seconds(after), change_of(before, after)));
}

Bytes peak_of(const Prediction& prediction, const std::string& tier) {
  const auto found = prediction.peak_bytes.find(tier);
  return found == prediction.peak_bytes.end() ? 0 : found->second;
}

}  // namespace

void add_difference(const Plan& plan, const Evaluation& before, const Evaluation& after, Json& json) {
  json["unedited"] = before.feasible ? prediction_json(plan, before.prediction) : Json();
  json["step_change"] = before.feasible && after.feasible
                            ? Json(change_of(before.prediction.step_seconds, after.prediction.step_seconds))
                            : Json();
  json["figures_changed"] = !same_figures(before, after);
}

std::string difference_text(const Evaluation& before, const Evaluation& after) {
  const Prediction &a = before.prediction, &b = after.prediction;
  if (!before.feasible) return "the plan without the edits is infeasible: " + before.reason + "\n";
  if (!after.feasible)
    return "the plan without the edits fits: a step of " + format_seconds(a.step_seconds) +
           ", peak memory of a device " + format_bytes(static_cast<double>(peak_of(a, "device"))) + "\n";
  if (same_figures(before, after)) return "the edits leave every figure as it was\n";
  Rows rows;
  add_seconds(rows, "step", a.step_seconds, b.step_seconds);
  if (a.tokens_per_second != b.tokens_per_second)
    rows.emplace_back("tokens per second", arrow(rate_text(a.tokens_per_second), rate_text(b.tokens_per_second),
                                                 change_of(a.tokens_per_second, b.tokens_per_second)));
  add_seconds(rows, "exposed communication", a.exposed_communication_seconds, b.exposed_communication_seconds);
  add_seconds(rows, "exposed transfer", a.exposed_transfer_seconds, b.exposed_transfer_seconds);
  add_seconds(rows, "pipeline bubble", a.bubble_seconds, b.bubble_seconds);
  for (const char* tier : {"device", "host", "storage"}) {
    const auto was = static_cast<double>(peak_of(a, tier)), is = static_cast<double>(peak_of(b, tier));
    if (was != is)
      rows.emplace_back(std::string("peak memory, ") + tier,
                        arrow(format_bytes(was), format_bytes(is), change_of(was, is)));
  }
  if (a.tasks != b.tasks)
    rows.emplace_back("tasks", arrow(with_commas(a.tasks), with_commas(b.tasks),
                                     change_of(static_cast<double>(a.tasks), static_cast<double>(b.tasks))));
  return "without the edits -> with them\n" + aligned(rows);
}

}  // namespace moesaic::cli
