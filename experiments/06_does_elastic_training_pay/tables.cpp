#include <algorithm>
#include <nlohmann/json.hpp>

#include "experiments/06_does_elastic_training_pay/study.h"
#include "experiments/figures/statistics.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

/// [16, 16, 8] as "2 x 16, 1 x 8".
std::string in_runs(const Json& numbers) {
  std::string list;
  for (size_t begin = 0, end = 0; begin < numbers.size(); begin = end) {
    while (end < numbers.size() && numbers[end] == numbers[begin]) ++end;
    list += (list.empty() ? "" : ", ") + std::to_string(end - begin) + " x " + numbers[begin].dump();
  }
  return list;
}

double value(const Json& row, const char* key) { return row[key].get<double>(); }

std::string simulated_table(const std::vector<Json>& rows) {
  std::string table = table_head({"setting", "ranks x sequences of a microbatch", "step ms", "samples/s",
                                  "samples/s and device", "against the first", "exposed communication ms", "peak GB"});
  double first_rate = 0;
  for (const Json& row : rows) {
    const std::string setting = row["setting"], sequences = in_runs(row["sequences_per_rank"]);
    if (!row["feasible"]) {
      table += table_row({setting, sequences, row["reason"], "", "", "", "", ""});
      continue;
    }
    const double rate = value(row, "samples_per_second_and_device");
    if (first_rate == 0) first_rate = rate;
    table += table_row({setting, sequences, number("%.2f", 1e3 * value(row, "step_seconds")),
                        number("%.1f", value(row, "samples_per_second")), number("%.1f", rate),
                        number("%+.1f %%", 100 * (rate / first_rate - 1)),
                        number("%.2f", 1e3 * value(row, "exposed_communication_seconds")),
                        number("%.2f", 1e-9 * value(row, "peak_bytes"))});
  }
  return table;
}

/// How many percent better a row does per device than the first one.
std::string gain(const Json& row, const Json& first) {
  const char* const kRate = "samples_per_second_and_device";
  return number("%+.1f %%", 100 * (value(row, kRate) / value(first, kRate) - 1));
}

/// Empty where nothing was executed.
std::string executed_table(const std::vector<Json>& rows) {
  if (rows.empty() || !rows[0].contains("executed") || !rows[0]["feasible"]) return "";
  std::string table = "\n" + table_head({"setting", "executed step ms (least to most)", "executed / simulated",
                                         "executed samples/s", "and device", "against the first", "simulated",
                                         "lasted / due", "woke late us", "losses differ by"});
  for (const Json& row : rows) {
    if (!row["feasible"]) continue;
    const Json& run = row["executed"];
    const auto rounds = [&](const char* key) { return run[key].get<std::vector<double>>(); };
    const std::vector<double> seconds = rounds("rounds_step_seconds");
    const auto [least, most] = std::minmax_element(seconds.begin(), seconds.end());
    table += table_row({row["setting"],
                        number("%.1f", 1e3 * value(run, "step_seconds")) + number(" (%.1f", 1e3 * *least) +
                            number(" to %.1f)", 1e3 * *most),
                        number("%.2f", value(run, "step_seconds") / value(row, "step_seconds")),
                        number("%.2f", value(run, "samples_per_second")),
                        number("%.2f", value(run, "samples_per_second_and_device")), gain(run, rows[0]["executed"]),
                        gain(row, rows[0]), number("%.3f", median(rounds("rounds_lasted_over_due"))),
                        number("%.0f", 1e6 * median(rounds("rounds_woke_late_seconds"))),
                        number("%.0e", value(run, "loss_difference"))});
  }
  return table;
}

}  // namespace

std::string elastic_tables(const Json& result) {
  std::string tables;
  const Json& rows = result["rows"];
  for (size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    std::vector<Json> scene;
    for (; end < rows.size() && rows[end]["scene"] == rows[begin]["scene"]; ++end) scene.push_back(rows[end]);
    tables += (tables.empty() ? "**" : "\n**") + scene[0]["scene"].get<std::string>() + "**\n\n" +
              simulated_table(scene) + executed_table(scene);
  }
  return tables;
}

}  // namespace moesaic::experiments
