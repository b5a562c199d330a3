// The result of a fidelity study as Markdown.
#include "core/schema/formatted.h"
#include "experiments/01_does_the_simulator_predict_the_executor/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

std::string error_percent(double fraction) { return number("%.1f %%", 100 * fraction); }

std::string summary_row(const char* name, const ModelFigures& f) {
  const auto figure = [](const std::optional<double>& value) { return value ? error_percent(*value) : "-"; };
  return table_row({name, error_percent(f.median_step_error), error_percent(f.p95_step_error),
                    figure(f.median_error_of_cost), figure(f.median_error_of_routing), number("%.2f", f.kendall_tau),
                    number("%.2f", f.kendall_tau_within_rank_counts)});
}

std::string null_row(const NullFigures& f) {
  if (!f.median_step_error || !f.p95_step_error) return "";
  return table_row({"null: median of the other plans on as many ranks", error_percent(*f.median_step_error),
                    error_percent(*f.p95_step_error), "-", "-", "-", "-"});
}

std::string pairs_text(const std::vector<PairsOfRanks>& counts) {
  std::string text;
  for (const PairsOfRanks& count : counts)
    text += (text.empty() ? "" : ", ") + std::to_string(count.pairs) + " of " + std::to_string(count.ranks) +
            (count.ranks == 1 ? " rank" : " ranks");
  return text.empty() ? "none" : text;
}

std::string bias_text(const std::vector<double>& rounds) {
  std::string text;
  for (const double bias : rounds) text += (text.empty() ? "" : ", ") + number("%+.1f", 100 * bias);
  return text + " %";
}

std::string bias_text(const std::vector<BiasOfRanks>& biases) {
  std::string text;
  for (const BiasOfRanks& of : biases)
    text += (text.empty() ? "" : ", ") + number("%+.1f", 100 * of.bias) + " % on " + std::to_string(of.ranks) +
            (of.ranks == 1 ? " rank" : " ranks");
  return text;
}

std::string row_of(const FidelityRow& row) {
  return formatted("| %s | %.2f | %.1f %% | %.2f | %+.1f %% | %.2f |\n", row.plan.c_str(), 1e3 * row.measured_s,
                   100 * row.repeat_noise, 1e3 * row.predicted_s, 100 * (row.predicted_s / row.measured_s - 1),
                   1e3 * row.plain_model_s);
}

}  // namespace

std::string fidelity_tables(const FidelityResult& result) {
  const FidelitySummary& summary = result.summary;
  std::string tables = table_head({"model", "step error, median", "step error, p95", "error of prices, median",
                                   "error of routing, median", "Kendall tau", "tau within plans on as many ranks"});
  tables += summary_row("ours", summary.ours) + summary_row("plain FLOPs and bytes", summary.plain_model) +
            null_row(summary.null_model);
  tables += formatted(
      "\n%d plans, %d rounds of %ld steps; %d pairs differ by more than their repeat noise (median %.1f %%); the "
      "measurement's tau with itself is %.2f. Pairs on as many ranks: %s; there it is %.2f.\n",
      result.plans, result.rounds, result.steps, summary.pairs_above_noise, 100 * summary.median_repeat_noise,
      summary.tau_of_measurement_with_itself, pairs_text(summary.pairs_above_noise_within_rank_counts).c_str(),
      summary.tau_of_measurement_with_itself_within_rank_counts);
  tables += "\nMedian of predicted / measured - 1 against each round alone: " + bias_text(summary.bias_of_rounds) +
            "; against all: " + bias_text(summary.bias_of_ranks) + ".\n\nProfile measured on " + result.machine + " (" +
            result.profile_date + ").\n";
  tables += "\n" + table_head({"plan", "measured ms", "noise", "predicted ms", "error", "plain model ms"});
  for (const FidelityRow& row : result.rows) tables += row_of(row);
  return tables;
}

}  // namespace moesaic::experiments
