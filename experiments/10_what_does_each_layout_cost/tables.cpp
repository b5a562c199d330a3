// The result of a layout study as Markdown.
#include <nlohmann/json.hpp>

#include "experiments/10_what_does_each_layout_cost/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

constexpr double kGigabyte = 1e9, kMegabyte = 1e6;

void add_figures(const Json& run, double unit, std::vector<std::string>& cells) {
  for (const char* key : {"step_s", "exposed_communication_s"})
    cells.push_back(number("%.1f", 1e3 * run[key].get<double>()));
  cells.push_back(number("%.1f", run["peak_device_bytes"].get<double>() / unit));
}

}  // namespace

std::string layout_tables(const Json& result) {
  std::string tables;
  for (const Json& scenario : result["summary"]) {
    const Json& first = scenario["rows"][0];
    const bool executed = first.contains("measured"),
               large = first["simulated"]["peak_device_bytes"].get<double>() >= kGigabyte;
    const std::string memory = large ? "peak memory, GB" : "peak memory, MB";
    std::vector<std::string> columns = {"layout", "step, simulated", "exposed communication", memory};
    if (executed) columns.insert(columns.end(), {"step, measured", "exposed communication", memory, "step error"});
    tables += "**" + scenario["scenario"].get<std::string>() + "** (times in ms)\n\n" + table_head(columns);
    for (const Json& row : scenario["rows"]) {
      std::vector<std::string> cells = {row["layout"].get<std::string>() +
                                        (row["simulated"].contains("infeasible") ? " (does not fit)" : "")};
      add_figures(row["simulated"], large ? kGigabyte : kMegabyte, cells);
      if (executed) {
        const Json& measured = row["measured"];
        add_figures(measured, large ? kGigabyte : kMegabyte, cells);
        const double error = row["simulated"]["step_s"].get<double>() / measured["step_s"].get<double>() - 1;
        cells.push_back(number("%+.1f %%", 100 * error));
      }
      tables += table_row(cells);
    }
    tables += "\n";
  }
  return tables;
}

}  // namespace moesaic::experiments
