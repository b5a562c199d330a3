// The result of a fidelity study as Markdown.
#include <nlohmann/json.hpp>

#include "core/schema/formatted.h"
#include "experiments/01_does_the_simulator_predict_the_executor/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

std::string percent(const Json& fraction) { return number("%.1f %%", 100 * fraction.get<double>()); }

std::string summary_row(const char* name, const Json& f) {
  return table_row({name, percent(f["median_step_error"]), percent(f["p95_step_error"]),
                    percent(f["median_error_of_cost"]), percent(f["median_error_of_routing"]),
                    number("%.2f", f["kendall_tau"]), number("%.2f", f["kendall_tau_within_rank_counts"])});
}

/// The null model has no prices and no routing, and its order says nothing.
std::string null_row(const Json& f) {
  if (f.empty()) return "";
  return table_row({"null: median of the other plans on as many ranks", percent(f["median_step_error"]),
                    percent(f["p95_step_error"]), "-", "-", "-", "-"});
}

std::string pairs_text(const Json& counts) {
  std::string text;
  for (const Json& count : counts)
    text += (text.empty() ? "" : ", ") + count["pairs"].dump() + " of " + count["ranks"].dump() +
            (count["ranks"] == 1 ? " rank" : " ranks");
  return text.empty() ? "none" : text;
}

std::string bias_text(const Json& rounds) {
  std::string text;
  for (const Json& bias : rounds) text += (text.empty() ? "" : ", ") + number("%+.1f", 100 * bias.get<double>());
  return text + " %";
}

}  // namespace

std::string fidelity_tables(const Json& result) {
  const Json& summary = result["summary"];
  std::string tables = table_head({"model", "step error, median", "step error, p95", "error of prices, median",
                                   "error of routing, median", "Kendall tau", "tau within plans on as many ranks"});
  tables += summary_row("ours", summary["ours"]) + summary_row("plain FLOPs and bytes", summary["plain_model"]) +
            null_row(summary["null_model"]);
  tables += formatted(
      "\n%d plans, %d rounds of %d steps; %d pairs differ by more than their repeat noise (median %.1f %%); the "
      "measurement's tau with itself is %.2f. Pairs on as many ranks: %s; there it is %.2f.\n",
      result["plans"].get<int>(), result["rounds"].get<int>(), result["steps"].get<int>(),
      summary["pairs_above_noise"].get<int>(), 100 * summary["median_repeat_noise"].get<double>(),
      summary["tau_of_measurement_with_itself"].get<double>(),
      pairs_text(summary["pairs_above_noise_within_rank_counts"]).c_str(),
      summary["tau_of_measurement_with_itself_within_rank_counts"].get<double>());
  tables += formatted("\nMedian of predicted / measured - 1 against each round alone: %s.\n",
                      bias_text(summary["bias_of_rounds"]).c_str());
  tables += formatted("\nProfile measured on %s (%s).\n", result["machine"].get<std::string>().c_str(),
                      result["profile_date"].get<std::string>().c_str());
  tables += "\n" + table_head({"plan", "measured ms", "noise", "predicted ms", "error", "plain model ms"});
  for (const Json& row : result["rows"]) {
    const double measured = row["measured_s"], predicted = row["predicted_s"];
    tables += formatted("| %s | %.2f | %.1f %% | %.2f | %+.1f %% | %.2f |\n", row["plan"].get<std::string>().c_str(),
                        1e3 * measured, 100 * row["repeat_noise"].get<double>(), 1e3 * predicted,
                        100 * (predicted / measured - 1), 1e3 * row["plain_model_s"].get<double>());
  }
  return tables;
}

}  // namespace moesaic::experiments
