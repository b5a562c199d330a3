#include "cli/results.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/plan/predicted.h"
#include "core/schema/object_reader.h"
#include "core/timeline/critical_path.h"
#include "core/timeline/utilization.h"

namespace moesaic::cli {

Json prediction_json(const Plan& plan, const Prediction& p) {
  const Utilization used = utilization_of(plan, p.tokens_per_second);
  Json peaks = Json::object();
  for (const auto& [tier, bytes] : p.peak_bytes) peaks[tier] = bytes;
  Json json = {{"step_seconds", p.step_seconds},
               {"tokens_per_second", p.tokens_per_second},
               {"tokens_per_second_per_device", used.tokens_per_second_per_device},
               {"mfu", used.mfu},
               {"critical_path_seconds", p.critical_path_seconds},
               {"peak_bytes", peaks},
               {"exposed_communication_seconds", p.exposed_communication_seconds},
               {"bubble_seconds", p.bubble_seconds},
               {"exposed_transfer_seconds", p.exposed_transfer_seconds},
               {"tasks", p.tasks}};
  if (p.lower_bound_seconds > 0) {
    json["lower_bound_seconds"] = p.lower_bound_seconds;
    json["gap"] = p.gap;
  }
  if (p.layout_bound_seconds > 0) json["layout_bound_seconds"] = p.layout_bound_seconds;
  return json;
}

Json carried_prediction_json(const Plan& plan) {
  const std::optional<bool> belongs = prediction_belongs(plan);
  Json json = belongs == false ? Json::object() : prediction_json(plan, plan.prediction);
  json["prediction_belongs"] = belongs ? Json(*belongs) : Json();
  return json;
}

std::string belonging_text(const Plan& plan) {
  const std::optional<bool> belongs = prediction_belongs(plan);
  if (belongs == true) return "";
  if (belongs == false)
    return "its prediction is of an earlier version of it: decisions or documents were changed since; "
           "`moesaic simulate` predicts anew";
  return plan.prediction.step_seconds > 0 ? "nothing in it shows whether its prediction belongs to it"
                                          : "it has no prediction";
}

std::string aligned(const std::vector<std::pair<std::string, std::string>>& rows) {
  size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row.first.size());
  std::string text;
  for (const auto& [name, value] : rows) text += "  " + name + std::string(width - name.size() + 2, ' ') + value + "\n";
  return text;
}

std::string rate_text(double per_second) {
  constexpr double kWhole = 99.95;  // from here on a fraction says nothing
  return per_second < kWhole ? formatted("%.3g", per_second) : with_commas(std::llround(per_second));
}

std::string tokens_text(const Plan& plan, double tokens_per_second) {
  const Utilization used = utilization_of(plan, tokens_per_second);
  return rate_text(tokens_per_second) + "; " + rate_text(used.tokens_per_second_per_device) + " per device, MFU " +
         format_share(used.mfu);
}

std::string prediction_text(const Plan& plan, const Prediction& p) {
  std::vector<std::pair<std::string, std::string>> rows = {
      {"step", format_seconds(p.step_seconds)},
      {"tokens per second", tokens_text(plan, p.tokens_per_second)},
      {"exposed communication", format_seconds(p.exposed_communication_seconds)}};
  if (!p.critical_path_seconds.empty())
    rows.insert(rows.begin() + 1, {"bound by", what_bounds(p.critical_path_seconds)});
  if (p.exposed_transfer_seconds > 0) rows.emplace_back("exposed transfer", format_seconds(p.exposed_transfer_seconds));
  if (p.bubble_seconds > 0) rows.emplace_back("pipeline bubble", format_seconds(p.bubble_seconds));
  if (p.lower_bound_seconds > 0)
    rows.emplace_back("lower bound",
                      format_seconds(p.lower_bound_seconds) + " of all layouts, gap " + format_change(p.gap));
  if (p.layout_bound_seconds > 0)
    rows.emplace_back("own lower bound", format_seconds(p.layout_bound_seconds) + " of this layout, gap " +
                                             format_change(p.step_seconds / p.layout_bound_seconds - 1));
  for (const auto& [tier, bytes] : p.peak_bytes)
    rows.emplace_back("peak memory, " + tier, format_bytes(static_cast<double>(bytes)));
  rows.emplace_back("tasks", with_commas(p.tasks));
  return aligned(rows);
}

std::vector<std::pair<std::string, std::string>> plan_rows(const Plan& plan, Summary summary) {
  const Workload& workload = plan.workload;
  const std::string cache =
      workload.kv_cache_dtype ? std::string(", cache in ") + name_of(*workload.kv_cache_dtype) : "";
  std::vector<std::pair<std::string, std::string>> rows = {
      {"model", plan.model.name},
      {"cluster", plan.cluster.name},
      {"workload", workload.name + ": " + with_commas(workload.global_batch) + " sequences of " +
                       with_commas(workload.sequence_length) + " tokens, " + name_of(workload.compute_dtype) + cache}};
  for (auto& row : choices_in_words(plan, workload.phase, summary)) rows.push_back(std::move(row));
  if (!plan.placement.empty() && plan.layout.ep > 1) {
    const int slots = plan.placement.front().slots_per_rank;
    rows.emplace_back("experts", std::to_string(plan.model.num_experts) + " in " + std::to_string(slots) +
                                     (slots > 1 ? " slots" : " slot") + " per rank");
  }
  return rows;
}

std::string processors_of(const Json& result, const std::string& file) {
  ObjectReader reader(result, file, "");
  const Field list = reader["processors"];
  std::string text;
  for (size_t i = 0; list.present() && i < list.size(); ++i) {
    ObjectReader processor = list[i].object();
    const std::string name = processor["name"].text(""), set = processor["instruction_set"].text("");
    const int64_t ranks = processor["ranks"].integer(kCount);
    text += (i == 0 ? "" : "; ") + name + (name.empty() || set.empty() ? "" : ", ") + set;
    if (list.size() > 1) text += " (" + std::to_string(ranks) + (ranks > 1 ? " ranks)" : " rank)");
  }
  return text;
}

}  // namespace moesaic::cli
