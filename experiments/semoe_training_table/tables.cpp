// The result of a table study as Markdown.
#include <nlohmann/json.hpp>

#include "experiments/figures/table.h"
#include "experiments/semoe_training_table/study.h"

namespace moesaic::experiments {
namespace {

std::string percent(double fraction) { return number("%+.1f %%", 100 * fraction); }
std::string milliseconds(double seconds) { return number("%.0f", 1e3 * seconds); }
std::string gigabytes(const Json& bytes) { return number("%.1f", bytes.get<double>() / 1e9); }

std::string cell_row(const Json& row, const std::string& system) {
  const Json& cell = row[system];
  const bool fitted = row["fitted"].get<bool>() && system == "deepspeed_moe";
  return table_row({row["model"], row["gpus"].dump(), system, number("%.0f", cell["tokens_per_second"]),
                    number("%.0f", cell["paper_tokens_per_second"]), percent(cell["error"]),
                    gigabytes(cell["memory_bytes"]), gigabytes(cell["paper_memory_bytes"]),
                    percent(cell["memory_error"]), cell["provenance"].get<std::string>() + (fitted ? ", fitted" : "")});
}

std::string ratio_row(const Json& row) {
  const Json& saving = row["saving"];
  std::string holders;
  for (const Json& holder : saving["classes_that_could_hold_the_rest"])
    holders += (holders.empty() ? "" : ", ") + holder.get<std::string>();
  return table_row({row["model"], number("%.3f", row["ratio"]), number("%.3f", row["paper_ratio"]),
                    number("%+.1f", 100 * (row["ratio"].get<double>() - row["paper_ratio"].get<double>())),
                    milliseconds(saving["predicted_seconds"]), milliseconds(saving["paper_seconds"]),
                    holders.empty() ? "none" : holders, gigabytes(row["memory_saving_bytes"]),
                    gigabytes(row["paper_memory_saving_bytes"])});
}

std::string class_table(const Json& result) {
  std::vector<std::string> columns = {"model", "system"};
  for (const auto& [name, seconds] : result["rows"][0][result["baseline"].get<std::string>()]["class_seconds"].items())
    columns.push_back(name);
  columns.push_back("step");
  std::string text = table_head(columns);
  for (const Json& row : result["rows"])
    for (const char* role : {"baseline", "system"}) {
      const auto system = result[role].get<std::string>();
      std::vector<std::string> cells = {row["model"], system};
      for (const Json& seconds : row[system]["class_seconds"]) cells.push_back(milliseconds(seconds));
      cells.push_back(milliseconds(row[system]["step_seconds"]));
      text += table_row(cells);
    }
  return text;
}

}  // namespace

std::string training_tables(const Json& result) {
  const Json& fitted = result["summary"]["constants"];
  std::string text = "Constants: sequence length " + fitted["sequence_length"].dump() + ", " +
                     fitted["kept_bytes_per_score"].dump() + " bytes kept per attention score, GEMM " +
                     number("%.1f %%", 100 * fitted["gemm_efficiency"].get<double>()) + " of the peak, links " +
                     number("%.0f %%", 100 * fitted["link_efficiency"].get<double>()) + ", spine oversubscribed " +
                     number("%.0f : 1", fitted["spine_oversubscription"]) + ".\n\n";
  text += table_head({"model", "GPUs", "system", "tokens/s simulated", "paper", "error", "GB simulated", "paper",
                      "error", "paper's figures"});
  for (const Json& row : result["rows"])
    for (const char* role : {"baseline", "system"}) text += cell_row(row, result[role].get<std::string>());
  text += "\n" + table_head({"model", "ratio simulated", "paper", "points", "ms saved, simulated",
                             "paper, at this sequence length", "classes that could hold the rest",
                             "GB saved, simulated", "paper"});
  for (const Json& row : result["rows"]) text += ratio_row(row);
  return text +
         "\nWhere a step goes (milliseconds, mean over ranks; communication where nothing is computed meanwhile):\n\n" +
         class_table(result);
}

}  // namespace moesaic::experiments
