// The result of a table study as Markdown.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "experiments/semoe_training_table/study.h"

namespace moesaic::experiments {
namespace {

std::string number(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string percent(double fraction) { return number("%+.1f %%", 100 * fraction); }
std::string gigabytes(const Json& bytes) { return number("%.1f", bytes.get<double>() / 1e9); }

std::string cell_row(const Json& row, const std::string& system) {
  const Json& cell = row[system];
  const bool fitted = row["fitted"].get<bool>() && system == "deepspeed_moe";
  std::string text = "| " + row["model"].get<std::string>() + " | " + std::to_string(row["gpus"].get<int>()) + " | " +
                     system + " | " + number("%.0f", cell["tokens_per_second"]) + " | " +
                     number("%.0f", cell["paper_tokens_per_second"]) + " | " + percent(cell["error"]) + " | " +
                     gigabytes(cell["memory_bytes"]) + " | " + gigabytes(cell["paper_memory_bytes"]) + " | " +
                     percent(cell["memory_error"]) + " | " + cell["provenance"].get<std::string>();
  return text + (fitted ? ", fitted |\n" : " |\n");
}

std::string ratio_row(const Json& row) {
  const Json& saving = row["saving"];
  std::string holders;
  for (const Json& holder : saving["classes_that_could_hold_the_rest"])
    holders += (holders.empty() ? "" : ", ") + holder.get<std::string>();
  return "| " + row["model"].get<std::string>() + " | " + number("%.3f", row["ratio"]) + " | " +
         number("%.3f", row["paper_ratio"]) + " | " +
         number("%+.1f", 100 * (row["ratio"].get<double>() - row["paper_ratio"].get<double>())) + " | " +
         number("%.0f", 1e3 * saving["predicted_seconds"].get<double>()) + " | " +
         number("%.0f", 1e3 * saving["paper_seconds"].get<double>()) + " | " + (holders.empty() ? "none" : holders) +
         " | " + gigabytes(row["memory_saving_bytes"]) + " | " + gigabytes(row["paper_memory_saving_bytes"]) + " |\n";
}

std::string class_table(const Json& result) {
  std::string head = "| model | system |", rule = "|---|---|", text;
  for (const auto& [name, seconds] : result["rows"][0][result["baseline"].get<std::string>()]["class_seconds"].items())
    head += " " + name + " |", rule += "---|";
  for (const Json& row : result["rows"])
    for (const char* role : {"baseline", "system"}) {
      const auto system = result[role].get<std::string>();
      text += "| " + row["model"].get<std::string>() + " | " + system + " |";
      for (const Json& seconds : row[system]["class_seconds"])
        text += " " + number("%.0f", 1e3 * seconds.get<double>()) + " |";
      text += " " + number("%.0f", 1e3 * row[system]["step_seconds"].get<double>()) + " |\n";
    }
  return head + " step |\n" + rule + "---|\n" + text;
}

}  // namespace

std::string training_tables(const Json& result) {
  const Json& fitted = result["summary"]["constants"];
  std::string text = "Constants: sequence length " + std::to_string(fitted["sequence_length"].get<int64_t>()) + ", " +
                     std::to_string(fitted["kept_bytes_per_score"].get<int64_t>()) +
                     " bytes kept per attention score, GEMM " +
                     number("%.1f %%", 100 * fitted["gemm_efficiency"].get<double>()) + " of the peak, links " +
                     number("%.0f %%", 100 * fitted["link_efficiency"].get<double>()) + ", spine oversubscribed " +
                     number("%.0f : 1", fitted["spine_oversubscription"]) + ".\n\n";
  text +=
      "| model | GPUs | system | tokens/s simulated | paper | error | GB simulated | paper | error | paper's figures "
      "|\n"
      "|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Json& row : result["rows"])
    for (const char* role : {"baseline", "system"}) text += cell_row(row, result[role].get<std::string>());
  text +=
      "\n| model | ratio simulated | paper | points | ms saved, simulated | paper, at this sequence length | classes "
      "that could hold "
      "the rest | GB saved, simulated | paper |\n|---|---|---|---|---|---|---|---|---|\n";
  for (const Json& row : result["rows"]) text += ratio_row(row);
  return text +
         "\nWhere a step goes (milliseconds, mean over ranks; communication where nothing is computed meanwhile):\n\n" +
         class_table(result);
}

}  // namespace moesaic::experiments
