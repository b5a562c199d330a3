// The result of an exchange study as Markdown.
#include "experiments/04_when_does_hierarchical_all_to_all_win/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

std::string summary_row(const LinksSummary& links) {
  if (links.cases == 0) return "| " + links.links + " | not measured here | | | | | |\n";
  return table_row({links.links, std::to_string(links.cases), std::to_string(links.hierarchical_wins),
                    std::to_string(links.flat_wins), std::to_string(links.simulated_agrees),
                    number("%.0f %%", 100 * links.simulated_median_error),
                    std::to_string(links.without_messages_agrees)});
}

std::string row_of(const ExchangeRow& row) {
  const MeasuredExchange &flat = row.measured.flat, &two = row.measured.hierarchical;
  const PredictedExchange &flat_predicted = row.predicted.flat, &two_predicted = row.predicted.hierarchical;
  std::vector<std::string> cells = {std::to_string(row.nodes) + " x " + std::to_string(row.devices_per_node),
                                    std::to_string(row.pair_bytes), std::to_string(flat.inter_node_messages),
                                    std::to_string(two.inter_node_messages)};
  for (const Seconds seconds : {flat.median_s, two.median_s, flat_predicted.simulated_s, two_predicted.simulated_s,
                                flat_predicted.without_messages_s, two_predicted.without_messages_s})
    cells.push_back(number("%.2f", 1e3 * seconds));
  cells.insert(cells.end(), {row.winner.measured, row.winner.simulated, row.winner.without_messages});
  return table_row(cells);
}

}  // namespace

std::string exchange_tables(const ExchangeResult& result) {
  std::string text = table_head({"links", "cases", "hierarchical wins", "flat wins", "simulator names the winner",
                                 "its median error", "without a cost per message"});
  for (const LinksSummary& links : result.summary) text += summary_row(links);
  for (const LinksSummary& links : result.summary) {
    if (links.cases == 0) continue;
    text += "\n" + links.links + " (milliseconds; F flat, H hierarchical):\n\n";
    text += table_head({"nodes x ranks", "bytes per pair", "messages F", "H", "measured F", "H", "simulated F", "H",
                        "without messages F", "H", "winner measured", "simulated", "without messages"});
    for (const ExchangeRow& row : result.rows)
      if (row.links == links.links) text += row_of(row);
  }
  return text;
}

}  // namespace moesaic::experiments
