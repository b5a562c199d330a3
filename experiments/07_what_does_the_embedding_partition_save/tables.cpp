// The result of an embedding study as Markdown.
#include <nlohmann/json.hpp>

#include "experiments/07_what_does_the_embedding_partition_save/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

std::string gigabytes(const Json& side) { return number("%.2f", side["peak_bytes"].get<double>() / 1e9); }
std::string speed(const Json& side) { return number("%.0f", side["tokens_per_second"].get<double>()); }
std::string percent(const Json& change) { return number("%+.1f %%", 100 * change.get<double>()); }

std::string row_of(const Json& row, const std::string& other_memory, const std::string& other_speed) {
  return table_row({row["hidden"].dump(), row["ranks"].dump(), gigabytes(row["replicated"]),
                    gigabytes(row["partitioned"]), percent(row["memory_change"]), speed(row["replicated"]),
                    speed(row["partitioned"]), percent(row["speed_change"]), other_memory, other_speed});
}

std::string head(const std::string& devices, const std::string& other) {
  return table_head({"hidden", devices, "memory replicated, GB", "partitioned", "change", "tokens/s replicated",
                     "partitioned", "change", other + ", memory", other + ", speed"});
}

/// "-45.4 % [secondary]; -26.3 % [recalled]"
std::string published(const Json& figures, const Json& hidden, const char* what) {
  std::string text;
  for (const Json& figure : figures)
    if (figure["hidden"] == hidden)
      text += (text.empty() ? "" : "; ") + figure[what].get<std::string>() + " [" +
              figure["origin"].get<std::string>() + "]";
  return text;
}

}  // namespace

std::string embedding_tables(const Json& result) {
  const std::string length = result["simulated_sequence_length"].dump(),
                    executed_length = result["executed_sequence_length"].dump();
  std::string text = "Simulated on " + result["simulated_on"].get<std::string>() + ", a sequence of " + length +
                     " tokens per GPU:\n\n" + head("GPUs", "paper");
  for (const Json& row : result["simulated"])
    text += row_of(row, published(result["published"], row["hidden"], "memory"),
                   published(result["published"], row["hidden"], "speed"));
  text += "\nExecuted on this machine, a sequence of " + executed_length + " tokens per rank:\n\n" +
          head("ranks", "simulated");
  for (const Json& row : result["executed"])
    text += row_of(row, percent(row["predicted"]["memory_change"]), percent(row["predicted"]["speed_change"]));
  return text;
}

}  // namespace moesaic::experiments
