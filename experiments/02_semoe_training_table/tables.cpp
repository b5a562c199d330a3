// The result of a table study as Markdown.
#include <nlohmann/json.hpp>

#include "experiments/02_semoe_training_table/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

std::string percent(double fraction) { return number("%+.1f %%", 100 * fraction); }
std::string milliseconds(double seconds) { return number("%.0f", 1e3 * seconds); }
std::string gigabytes(const Json& bytes) { return number("%.1f", bytes.get<double>() / 1e9); }

/// Two cells for a figure of the paper, [secondary] and [recalled]; the one that it is not stays empty.
std::string sourced(const std::string& figure, const std::string& provenance) {
  return provenance == "secondary" ? figure + " | " : " | " + figure;
}

std::string cell_row(const Json& row, const std::string& system) {
  const Json& cell = row[system];
  const bool fitted = row["fitted"].get<bool>() && system == "deepspeed_moe";
  const std::string provenance = cell["provenance"];
  return table_row({row["model"], row["gpus"].dump(), fitted ? system + ", fitted" : system,
                    number("%.0f", cell["tokens_per_second"]),
                    sourced(number("%.0f", cell["paper_tokens_per_second"]), provenance), percent(cell["error"]),
                    gigabytes(cell["memory_bytes"]), sourced(gigabytes(cell["paper_memory_bytes"]), provenance),
                    percent(cell["memory_error"])});
}

/// What is derived from both systems' figures is recalled when one of them is.
std::string ratio_row(const Json& row, const std::string& baseline, const std::string& system) {
  const Json& saving = row["saving"];
  const bool secondary = row[baseline]["provenance"] == "secondary" && row[system]["provenance"] == "secondary";
  const std::string provenance = secondary ? "secondary" : "recalled";
  std::string holders;
  for (const Json& holder : saving["classes_that_could_hold_the_rest"])
    holders += (holders.empty() ? "" : ", ") + holder.get<std::string>();
  return table_row({row["model"], number("%.3f", row["ratio"]), sourced(number("%.3f", row["paper_ratio"]), provenance),
                    number("%+.1f", 100 * (row["ratio"].get<double>() - row["paper_ratio"].get<double>())),
                    milliseconds(saving["predicted_seconds"]),
                    sourced(milliseconds(saving["paper_seconds"]), provenance), holders.empty() ? "none" : holders,
                    gigabytes(row["memory_saving_bytes"]),
                    sourced(gigabytes(row["paper_memory_saving_bytes"]), provenance)});
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
  text += table_head({"model", "GPUs", "system", "tokens/s simulated", "paper [secondary]", "paper [recalled]", "error",
                      "GB simulated", "paper [secondary]", "paper [recalled]", "error"});
  for (const Json& row : result["rows"])
    for (const char* role : {"baseline", "system"}) text += cell_row(row, result[role].get<std::string>());
  text += "\nThe paper's ratio and milliseconds saved follow from its throughputs, at this sequence length.\n\n";
  text +=
      table_head({"model", "ratio simulated", "paper [secondary]", "paper [recalled]", "points", "ms saved, simulated",
                  "paper [secondary]", "paper [recalled]", "classes that could hold the rest", "GB saved, simulated",
                  "paper [secondary]", "paper [recalled]"});
  for (const Json& row : result["rows"]) text += ratio_row(row, result["baseline"], result["system"]);
  return text +
         "\nWhere a step goes (milliseconds, mean over ranks; communication where nothing is computed meanwhile):\n\n" +
         class_table(result);
}

}  // namespace moesaic::experiments
