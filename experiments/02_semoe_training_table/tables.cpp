// The result of a table study as Markdown.
#include <algorithm>

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
                    signed_percent(cell.null_error), gigabytes(cell.memory_bytes),
                    sourced(gigabytes(cell.paper_memory_bytes), cell.provenance), signed_percent(cell.memory_error)});
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

std::string joined(const Unknowns& unknowns) {
  std::string text;
  for (const std::string& phrase : in_words(unknowns)) text += (text.empty() ? "" : ", ") + phrase;
  return text;
}

/// The first phrase that differs.
std::string change(const Unknowns& from, const Unknowns& to) {
  const auto phrases = in_words(from), others = in_words(to);
  const auto changed = std::mismatch(phrases.begin(), phrases.end(), others.begin()).first;
  return changed == phrases.end() ? "nothing" : *changed;
}

std::string check_table(const TableResult& result) {
  if (result.checks.empty()) return "";
  std::string text =
      "\nThe baseline's own paper, which chose nothing here:\n\n" +
      table_head({"model", "GPUs", "samples/s simulated", "published", "provenance", "error", "GB simulated"});
  for (const TableCheck& check : result.checks)
    text += table_row({check.model, std::to_string(check.gpus), number("%.0f", check.samples_per_second),
                       number("%.0f", check.published_samples_per_second), check.provenance,
                       signed_percent(check.error), gigabytes(check.memory_bytes)});
  return text;
}

std::string states_table(const TableResult& result) {
  if (result.states.empty()) return "";
  std::string text =
      "\nThe fitted row with other states of " + result.system + ":\n\n" +
      table_head({"ZeRO", "optimizer passes", "tokens/s simulated", "error", "ratio", "GB simulated", "error"});
  for (const StatesAlternative& states : result.states)
    text += table_row({std::to_string(states.zero), states.optimizer_passes, number("%.0f", states.tokens_per_second),
                       signed_percent(states.error), number("%.3f", states.ratio), gigabytes(states.memory_bytes),
                       signed_percent(states.memory_error)});
  return text;
}

std::string tried_row(const std::string& name, const TriedUnknowns& tried) {
  return table_row(
      {name, signed_percent(tried.throughput_error), signed_percent(tried.memory_error), number("%.3f", tried.ratio)});
}

/// What comes nearest, and every other value of one unknown at a time.
std::string unknowns_table(const TableResult& result) {
  const auto head = [&](const char* first) {
    return table_head({first, "throughput, " + result.baseline, "memory, " + result.baseline, "ratio"});
  };
  std::string text = "\nThe fitted row under the unknowns that fit it best, of " + std::to_string(result.num_tried) +
                     ":\n\n" + head("unknowns");
  for (const TriedUnknowns& tried : result.nearest) text += tried_row(joined(tried.unknowns), tried);
  text += "\nThe fitted row under other unknowns, one changed at a time:\n\n" + head("changed");
  for (const TriedUnknowns& tried : result.one_changed)
    text += tried_row(change(tried.unknowns, result.summary.unknowns), tried);
  return text;
}

}  // namespace

std::string training_tables(const TableResult& result) {
  std::string text = "Unknowns as chosen: " + joined(result.summary.unknowns) + ".\n\n";
  text += table_head({"model", "GPUs", "system", "tokens/s simulated", "paper [secondary]", "paper [recalled]", "error",
                      "null model", "GB simulated", "paper [secondary]", "paper [recalled]", "error"});
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
         class_table(result) + states_table(result) + check_table(result) + unknowns_table(result);
}

}  // namespace moesaic::experiments
