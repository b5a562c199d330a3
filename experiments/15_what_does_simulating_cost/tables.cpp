// The result as Markdown: growth, then every size of both axes.
#include <string>

#include "experiments/15_what_does_simulating_cost/study.h"
#include "experiments/figures/statistics.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

std::string routing_name(double zipf_exponent) {
  return zipf_exponent == 0 ? "uniform" : number("Zipf %.1f", zipf_exponent);
}

std::string megabytes(int64_t bytes) { return number("%.0f", static_cast<double>(bytes) / 1e6); }

std::string growth_table(const CostResult& result) {
  std::string table = table_head(
      {"along", "engine", "routing", "core s, smallest", "largest", "order", "MB, smallest", "largest", "order"});
  for (const CostGrowth& g : result.summary)
    table += table_row(
        {std::to_string(g.smallest) + " to " + std::to_string(g.largest) + " " + (g.axis == "gpus" ? "GPUs" : "layers"),
         g.engine, routing_name(g.zipf_exponent), number("%.3f", g.smallest_core_s), number("%.2f", g.largest_core_s),
         number("%.2f", g.order_of_core_s), megabytes(g.smallest_bytes), megabytes(g.largest_bytes),
         number("%.2f", g.order_of_bytes)});
  return table;
}

/// A column of core seconds and one of megabytes for each engine and routing.
std::string size_table(const CostResult& result, const std::string& axis) {
  std::vector<std::string> columns = {axis == "gpus" ? "GPUs" : "layers", "tasks of all ranks", "lowering, s"};
  std::vector<std::vector<CostRow>> series;
  for (const CostGrowth& g : result.summary) {
    if (g.axis != axis) continue;
    series.push_back(rows_along(result, axis, g.engine, g.zipf_exponent));
    columns.push_back(g.engine + ", " + routing_name(g.zipf_exponent) + ", s");
    columns.push_back("MB");
  }
  std::string table = table_head(columns);
  for (size_t i = 0; !series.empty() && i < series.front().size(); ++i) {
    const CostRow& first = series.front()[i];
    std::vector<std::string> cells = {std::to_string(axis == "gpus" ? first.gpus : first.layers),
                                      std::to_string(first.tasks), number("%.3f", median(first.lower_core_s))};
    for (const std::vector<CostRow>& rows : series) {
      if (i >= rows.size()) continue;
      cells.push_back(number("%.3f", rows[i].core_s));
      cells.push_back(megabytes(rows[i].peak_bytes));
    }
    table += table_row(cells);
  }
  return table;
}

}  // namespace

std::string cost_tables(const CostResult& result) {
  return growth_table(result) + "\n**" + std::to_string(result.layers_of_clusters) +
         " layers** (core seconds of lowering and simulating, medians of " + std::to_string(result.rounds) +
         "; largest resident set)\n\n" + size_table(result, "gpus") + "\n**" + std::to_string(result.gpus_of_models) +
         " GPUs**\n\n" + size_table(result, "layers") + "\nWidest relative difference between the engines' steps: " +
         number("%.1g", result.widest_difference_of_engines) + ".\n";
}

}  // namespace moesaic::experiments
