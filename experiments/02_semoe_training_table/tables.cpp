// The result of a table study as Markdown.
#include "experiments/02_semoe_training_table/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

std::string milliseconds(Seconds seconds) { return number("%.0f", 1e3 * seconds); }
std::string gigabytes(Bytes bytes) { return number("%.1f", static_cast<double>(bytes) / 1e9); }

/// Two cells for a figure of the paper, [secondary] and [recalled]; the one that it is not stays empty.
std::string sourced(const std::string& figure, const std::string& provenance) {
  return provenance == "secondary" ? figure + " | " : " | " + figure;
}

std::string cell_row(const TableRow& row, const TableCell& cell, const std::string& name) {
  return table_row({row.model, std::to_string(row.gpus), name, number("%.0f", cell.tokens_per_second),
                    sourced(number("%.0f", cell.paper_tokens_per_second), cell.provenance), signed_percent(cell.error),
                    gigabytes(cell.memory_bytes), sourced(gigabytes(cell.paper_memory_bytes), cell.provenance),
                    signed_percent(cell.memory_error)});
}

/// What is derived from both systems' figures is recalled when one of them is.
std::string ratio_row(const TableRow& row) {
  const bool secondary = row.baseline.provenance == "secondary" && row.system.provenance == "secondary";
  const std::string provenance = secondary ? "secondary" : "recalled";
  std::string holders;
  for (const std::string& holder : row.saving.classes_that_could_hold_the_rest)
    holders += (holders.empty() ? "" : ", ") + holder;
  return table_row({row.model, number("%.3f", row.ratio), sourced(number("%.3f", row.paper_ratio), provenance),
                    number("%+.1f", 100 * (row.ratio - row.paper_ratio)), milliseconds(row.saving.predicted_seconds),
                    sourced(milliseconds(row.saving.paper_seconds), provenance), holders.empty() ? "none" : holders,
                    gigabytes(row.memory_saving_bytes), sourced(gigabytes(row.paper_memory_saving_bytes), provenance)});
}

std::string class_row(const TableRow& row, const TableCell& cell, const std::string& name) {
  std::vector<std::string> cells = {row.model, name};
  for (const Seconds seconds : cell.class_seconds.of) cells.push_back(milliseconds(seconds));
  cells.push_back(milliseconds(cell.step_seconds));
  return table_row(cells);
}

std::string class_table(const TableResult& result) {
  std::vector<std::string> columns = {"model", "system"};
  for (int i = 0; i < kNumTaskClasses; ++i) columns.emplace_back(name_of(static_cast<TaskClass>(i)));
  columns.emplace_back("step");
  std::string text = table_head(columns);
  for (const TableRow& row : result.rows)
    text += class_row(row, row.baseline, result.baseline) + class_row(row, row.system, result.system);
  return text;
}

}  // namespace

std::string training_tables(const TableResult& result) {
  const Constants& fitted = result.summary.constants;
  std::string text = "Constants: sequence length " + std::to_string(fitted.sequence_length) + ", " +
                     std::to_string(fitted.kept_bytes_per_score) + " bytes kept per attention score, GEMM " +
                     number("%.1f %%", 100 * fitted.gemm_efficiency) + " of the peak, links " +
                     number("%.0f %%", 100 * fitted.link_efficiency) + ", spine oversubscribed " +
                     number("%.0f : 1", fitted.spine_oversubscription) + ".\n\n";
  text += table_head({"model", "GPUs", "system", "tokens/s simulated", "paper [secondary]", "paper [recalled]", "error",
                      "GB simulated", "paper [secondary]", "paper [recalled]", "error"});
  for (const TableRow& row : result.rows)
    text += cell_row(row, row.baseline, result.baseline + (row.fitted ? ", fitted" : "")) +
            cell_row(row, row.system, result.system);
  text += "\nThe paper's ratio and milliseconds saved follow from its throughputs, at this sequence length.\n\n";
  text +=
      table_head({"model", "ratio simulated", "paper [secondary]", "paper [recalled]", "points", "ms saved, simulated",
                  "paper [secondary]", "paper [recalled]", "classes that could hold the rest", "GB saved, simulated",
                  "paper [secondary]", "paper [recalled]"});
  for (const TableRow& row : result.rows) text += ratio_row(row);
  return text +
         "\nWhere a step goes (milliseconds, mean over ranks; communication where nothing is computed meanwhile):\n\n" +
         class_table(result);
}

}  // namespace moesaic::experiments
