// The result of an exchange study as Markdown.
#include <nlohmann/json.hpp>

#include "experiments/04_when_does_hierarchical_all_to_all_win/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

std::string summary_row(const Json& links) {
  const auto name = links["links"].get<std::string>();
  if (links["cases"] == 0) return "| " + name + " | not measured here | | | | | |\n";
  return table_row({name, links["cases"].dump(), links["hierarchical_wins"].dump(), links["flat_wins"].dump(),
                    links["simulated_agrees"].dump(),
                    number("%.0f %%", 100 * links["simulated_median_error"].get<double>()),
                    links["without_messages_agrees"].dump()});
}

std::string row_of(const Json& row) {
  const Json &flat = row["measured"]["flat"], &two = row["measured"]["hierarchical"];
  const Json &flat_predicted = row["predicted"]["flat"], &two_predicted = row["predicted"]["hierarchical"];
  std::vector<std::string> cells = {row["nodes"].dump() + " x " + row["devices_per_node"].dump(),
                                    row["pair_bytes"].dump(), flat["inter_node_messages"].dump(),
                                    two["inter_node_messages"].dump()};
  for (const Json& seconds :
       {flat["median_s"], two["median_s"], flat_predicted["simulated_s"], two_predicted["simulated_s"],
        flat_predicted["without_messages_s"], two_predicted["without_messages_s"]})
    cells.push_back(number("%.2f", 1e3 * seconds.get<double>()));
  for (const char* who : {"measured", "simulated", "without_messages"}) cells.push_back(row["winner"][who]);
  return table_row(cells);
}

}  // namespace

std::string exchange_tables(const Json& result) {
  std::string text = table_head({"links", "cases", "hierarchical wins", "flat wins", "simulator names the winner",
                                 "its median error", "without a cost per message"});
  for (const Json& links : result["summary"]) text += summary_row(links);
  for (const Json& links : result["summary"]) {
    if (links["cases"] == 0) continue;
    text += "\n" + links["links"].get<std::string>() + " (milliseconds; F flat, H hierarchical):\n\n";
    text += table_head({"nodes x ranks", "bytes per pair", "messages F", "H", "measured F", "H", "simulated F", "H",
                        "without messages F", "H", "winner measured", "simulated", "without messages"});
    for (const Json& row : result["rows"])
      if (row["links"] == links["links"]) text += row_of(row);
  }
  return text;
}

}  // namespace moesaic::experiments
