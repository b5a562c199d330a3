// The result of an exchange study as Markdown.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "experiments/hierarchical_all_to_all/study.h"

namespace moesaic::experiments {
namespace {

std::string ms(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", 1e3 * seconds);
  return text;
}

std::string number(const Json& value) { return std::to_string(value.get<int64_t>()); }

std::string percent(double fraction) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f %%", 100 * fraction);
  return text;
}

std::string summary_row(const Json& links) {
  if (links["cases"] == 0) return "| " + links["links"].get<std::string>() + " | not measured here | | | | | |\n";
  return "| " + links["links"].get<std::string>() + " | " + number(links["cases"]) + " | " +
         number(links["hierarchical_wins"]) + " | " + number(links["flat_wins"]) + " | " +
         number(links["simulated_agrees"]) + " | " + percent(links["simulated_median_error"]) + " | " +
         number(links["without_messages_agrees"]) + " |\n";
}

std::string row_of(const Json& row) {
  const Json &flat = row["measured"]["flat"], &two = row["measured"]["hierarchical"];
  const Json &flat_predicted = row["predicted"]["flat"], &two_predicted = row["predicted"]["hierarchical"];
  std::string text = "| " + number(row["nodes"]) + " x " + number(row["devices_per_node"]) + " | " +
                     number(row["pair_bytes"]) + " | " + number(flat["inter_node_messages"]) + " | " +
                     number(two["inter_node_messages"]) + " | ";
  for (const Json& seconds :
       {flat["median_s"], two["median_s"], flat_predicted["simulated_s"], two_predicted["simulated_s"],
        flat_predicted["without_messages_s"], two_predicted["without_messages_s"]})
    text += ms(seconds) + " | ";
  for (const char* who : {"measured", "simulated", "without_messages"})
    text += row["winner"][who].get<std::string>() + " | ";
  text.pop_back();
  return text + "\n";
}

}  // namespace

std::string exchange_tables(const Json& result) {
  std::string text =
      "| links | cases | hierarchical wins | flat wins | simulator names the winner | its median error | "
      "without a cost per message |\n|---|---|---|---|---|---|---|\n";
  for (const Json& links : result["summary"]) text += summary_row(links);
  for (const Json& links : result["summary"]) {
    if (links["cases"] == 0) continue;
    text += "\n" + links["links"].get<std::string>() + " (milliseconds; F flat, H hierarchical):\n\n";
    text +=
        "| nodes x ranks | bytes per pair | messages F | H | measured F | H | simulated F | H | without messages F | H "
        "| "
        "winner measured | simulated | without messages |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
    for (const Json& row : result["rows"])
      if (row["links"] == links["links"]) text += row_of(row);
  }
  return text;
}

}  // namespace moesaic::experiments
