// The result of a prefetch grid as Markdown.
#include <nlohmann/json.hpp>

#include "experiments/08_what_does_2d_prefetch_hide/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

void add_milliseconds(const Json& times, std::vector<std::string>& cells) {
  for (const char* key : {"step_s", "exposed_communication_s", "exposed_transfer_s"})
    cells.push_back(number("%.2f", 1e3 * times[key].get<double>()));
}

}  // namespace

std::string grid_tables(const Json& result) {
  std::string tables;
  for (const Json& scenario : result["summary"]) {
    const bool executed = scenario["cells"][0].contains("measured");
    std::vector<std::string> columns = {"prefetch", "step, simulated", "exposed communication", "exposed transfers"};
    if (executed) columns.insert(columns.end(), {"step, measured", "exposed communication", "exposed transfers"});
    tables += "**" + scenario["scenario"].get<std::string>() + "** (ms per step)\n\n" + table_head(columns);
    for (const Json& cell : scenario["cells"]) {
      std::vector<std::string> row = {cell["prefetch"]};
      add_milliseconds(cell["simulated"], row);
      if (executed) add_milliseconds(cell["measured"], row);
      tables += table_row(row);
    }
    tables += "\n";
  }
  return tables;
}

}  // namespace moesaic::experiments
