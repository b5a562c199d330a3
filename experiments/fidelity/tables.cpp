// The result of a fidelity study as Markdown.
#include <nlohmann/json.hpp>

#include "core/schema/formatted.h"
#include "experiments/fidelity/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

std::string summary_row(const char* name, const Json& f) {
  return formatted("| %s | %.1f %% | %.1f %% | %.1f %% | %.1f %% | %.2f |\n", name,
                   100 * f["median_step_error"].get<double>(), 100 * f["p95_step_error"].get<double>(),
                   100 * f["median_error_of_cost"].get<double>(), 100 * f["median_error_of_routing"].get<double>(),
                   f["kendall_tau"].get<double>());
}

}  // namespace

std::string fidelity_tables(const Json& result) {
  const Json& summary = result["summary"];
  std::string tables = table_head({"model", "step error, median", "step error, p95", "error of prices, median",
                                   "error of routing, median", "Kendall tau"});
  tables += summary_row("ours", summary["ours"]) + summary_row("plain FLOPs and bytes", summary["plain_model"]);
  tables += formatted(
      "\n%d plans, %d rounds of %d steps; %d pairs differ by more than their repeat noise (median %.1f %%); the "
      "measurement's tau with itself is %.2f.\n",
      result["plans"].get<int>(), result["rounds"].get<int>(), result["steps"].get<int>(),
      summary["pairs_above_noise"].get<int>(), 100 * summary["median_repeat_noise"].get<double>(),
      summary["tau_of_measurement_with_itself"].get<double>());
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
