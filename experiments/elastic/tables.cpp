#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "experiments/elastic/study.h"

namespace moesaic::experiments {
namespace {

std::string text(const char* format, auto... values) {
  char buffer[512];
  std::snprintf(buffer, sizeof buffer, format, values...);
  return buffer;
}

/// [16, 16, 8] as "2 x 16, 1 x 8".
std::string in_runs(const Json& numbers) {
  std::string list;
  for (size_t begin = 0, end = 0; begin < numbers.size(); begin = end) {
    while (end < numbers.size() && numbers[end] == numbers[begin]) ++end;
    list += (list.empty() ? "" : ", ") + std::to_string(end - begin) + " x " + numbers[begin].dump();
  }
  return list;
}

double number(const Json& row, const char* key) { return row[key].get<double>(); }

std::string simulated_table(const std::vector<Json>& rows) {
  std::string table =
      "| setting | ranks x sequences of a microbatch | step ms | samples/s | samples/s and device | against "
      "the first | exposed communication ms | peak GB |\n|---|---|---|---|---|---|---|---|\n";
  double first_rate = 0;
  for (const Json& row : rows) {
    const std::string name = row["setting"].get<std::string>() + " | " + in_runs(row["sequences_per_rank"]);
    if (!row["feasible"]) {
      table += "| " + name + " | " + row["reason"].get<std::string>() + " | | | | | |\n";
      continue;
    }
    const double rate = number(row, "samples_per_second_and_device");
    if (first_rate == 0) first_rate = rate;
    table +=
        text("| %s | %.2f | %.1f | %.1f | %+.1f %% | %.2f | %.2f |\n", name.c_str(), 1e3 * number(row, "step_seconds"),
             number(row, "samples_per_second"), rate, 100 * (rate / first_rate - 1),
             1e3 * number(row, "exposed_communication_seconds"), 1e-9 * number(row, "peak_bytes"));
  }
  return table;
}

/// Empty where nothing was executed.
std::string executed_table(const std::vector<Json>& rows) {
  if (rows.empty() || !rows[0].contains("executed") || !rows[0]["feasible"]) return "";
  std::string table =
      "\n| setting | executed step ms (least to most) | executed / simulated | executed samples/s | and device | "
      "against the first | simulated | lasted / due | losses differ by |\n|---|---|---|---|---|---|---|---|---|\n";
  const char* const kRate = "samples_per_second_and_device";
  for (const Json& row : rows) {
    if (!row["feasible"]) continue;
    const Json& run = row["executed"];
    const auto seconds = run["rounds_step_seconds"].get<std::vector<double>>(),
               stretch = run["rounds_lasted_over_due"].get<std::vector<double>>();
    table += text("| %s | %.1f (%.1f to %.1f) | %.2f | %.2f | %.2f | %+.1f %% | %+.1f %% | %.3f | %.0e |\n",
                  row["setting"].get<std::string>().c_str(), 1e3 * number(run, "step_seconds"),
                  1e3 * *std::min_element(seconds.begin(), seconds.end()),
                  1e3 * *std::max_element(seconds.begin(), seconds.end()),
                  number(run, "step_seconds") / number(row, "step_seconds"), number(run, "samples_per_second"),
                  number(run, kRate), 100 * (number(run, kRate) / number(rows[0]["executed"], kRate) - 1),
                  100 * (number(row, kRate) / number(rows[0], kRate) - 1),
                  *std::max_element(stretch.begin(), stretch.end()), number(run, "loss_difference"));
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
