// The result of an embedding study as Markdown.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "experiments/embedding_partition/study.h"

namespace moesaic::experiments {
namespace {

std::string text_of(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string gigabytes(const Json& side) { return text_of("%.2f", side["peak_bytes"].get<double>() / 1e9); }
std::string speed(const Json& side) { return text_of("%.0f", side["tokens_per_second"].get<double>()); }
std::string percent(const Json& change) { return text_of("%+.1f %%", 100 * change.get<double>()); }

std::string cells(const Json& row) {
  return std::to_string(row["hidden"].get<int64_t>()) + " | " + std::to_string(row["ranks"].get<int>()) + " | " +
         gigabytes(row["replicated"]) + " | " + gigabytes(row["partitioned"]) + " | " + percent(row["memory_change"]) +
         " | " + speed(row["replicated"]) + " | " + speed(row["partitioned"]) + " | " + percent(row["speed_change"]);
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
  const std::string columns =
      "memory replicated, GB | partitioned | change | tokens/s replicated | partitioned | change |";
  const std::string length = std::to_string(result["simulated_sequence_length"].get<int64_t>()),
                    executed_length = std::to_string(result["executed_sequence_length"].get<int64_t>());
  std::string text = "Simulated on " + result["simulated_on"].get<std::string>() + ", a sequence of " + length +
                     " tokens per GPU:\n\n| hidden | GPUs | " + columns + " paper, memory | paper, speed |\n";
  text += "|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Json& row : result["simulated"])
    text += "| " + cells(row) + " | " + published(result["published"], row["hidden"], "memory") + " | " +
            published(result["published"], row["hidden"], "speed") + " |\n";
  text += "\nExecuted on this machine, a sequence of " + executed_length + " tokens per rank:\n\n| hidden | ranks | " +
          columns + " simulated, memory | simulated, speed |\n|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Json& row : result["executed"])
    text += "| " + cells(row) + " | " + percent(row["predicted"]["memory_change"]) + " | " +
            percent(row["predicted"]["speed_change"]) + " |\n";
  return text;
}

}  // namespace moesaic::experiments
