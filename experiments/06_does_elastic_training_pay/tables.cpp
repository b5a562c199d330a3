#include <algorithm>
#include <span>

#include "experiments/06_does_elastic_training_pay/study.h"
#include "experiments/figures/statistics.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

/// [16, 16, 8] as "2 x 16, 1 x 8".
std::string in_runs(const std::vector<int64_t>& numbers) {
  std::string list;
  for (size_t begin = 0, end = 0; begin < numbers.size(); begin = end) {
    while (end < numbers.size() && numbers[end] == numbers[begin]) ++end;
    list += (list.empty() ? "" : ", ") + std::to_string(end - begin) + " x " + std::to_string(numbers[begin]);
  }
  return list;
}

using SceneRows = std::span<const ElasticRow>;

std::string simulated_table(SceneRows rows) {
  std::string table = table_head({"setting", "ranks x sequences of a microbatch", "step ms", "samples/s",
                                  "samples/s and device", "against the first", "exposed communication ms", "peak GB"});
  double first_rate = 0;
  for (const ElasticRow& row : rows) {
    const std::string sequences = in_runs(row.sequences_per_rank);
    if (!row.feasible) {
      table += table_row({row.setting, sequences, row.reason, "", "", "", "", ""});
      continue;
    }
    const double rate = row.samples_per_second_and_device;
    if (first_rate == 0) first_rate = rate;
    table += table_row({row.setting, sequences, number("%.2f", 1e3 * row.step_seconds),
                        number("%.1f", row.samples_per_second), number("%.1f", rate),
                        number("%+.1f %%", 100 * (rate / first_rate - 1)),
                        number("%.2f", 1e3 * row.exposed_communication_seconds),
                        number("%.2f", 1e-9 * static_cast<double>(row.peak_bytes))});
  }
  return table;
}

/// How many percent better a rate per device is than the first one.
std::string gain(double rate, double first) { return number("%+.1f %%", 100 * (rate / first - 1)); }

/// Empty where nothing was executed.
std::string executed_table(SceneRows rows) {
  if (rows.empty() || !rows[0].executed || !rows[0].feasible) return "";
  std::string table = "\n" + table_head({"setting", "executed step ms (least to most)", "executed / simulated",
                                         "executed samples/s", "and device", "against the first", "simulated",
                                         "lasted / due", "woke late us", "losses differ by"});
  for (const ElasticRow& row : rows) {
    if (!row.feasible) continue;
    const ElasticExecution& run = *row.executed;
    const auto [least, most] = std::minmax_element(run.rounds_step_seconds.begin(), run.rounds_step_seconds.end());
    table += table_row(
        {row.setting,
         number("%.1f", 1e3 * run.step_seconds) + number(" (%.1f", 1e3 * *least) + number(" to %.1f)", 1e3 * *most),
         number("%.2f", run.step_seconds / row.step_seconds), number("%.2f", run.samples_per_second),
         number("%.2f", run.samples_per_second_and_device),
         gain(run.samples_per_second_and_device, rows[0].executed->samples_per_second_and_device),
         gain(row.samples_per_second_and_device, rows[0].samples_per_second_and_device),
         number("%.3f", median(run.rounds_lasted_over_due)), number("%.0f", 1e6 * median(run.rounds_woke_late_seconds)),
         number("%.0e", run.loss_difference)});
  }
  return table;
}

}  // namespace

std::string elastic_tables(const ElasticResult& result) {
  std::string tables;
  for (size_t begin = 0, end = 0; begin < result.rows.size(); begin = end) {
    while (end < result.rows.size() && result.rows[end].scene == result.rows[begin].scene) ++end;
    const SceneRows scene = SceneRows(result.rows).subspan(begin, end - begin);
    tables +=
        (tables.empty() ? "**" : "\n**") + scene[0].scene + "**\n\n" + simulated_table(scene) + executed_table(scene);
  }
  return tables;
}

}  // namespace moesaic::experiments
