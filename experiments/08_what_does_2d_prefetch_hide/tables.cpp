// The result of a prefetch grid as Markdown.
#include "experiments/08_what_does_2d_prefetch_hide/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

void add_milliseconds(const GridTimes& times, std::vector<std::string>& cells) {
  for (const Seconds seconds : {times.step_s, times.exposed_communication_s, times.exposed_transfer_s})
    cells.push_back(number("%.2f", 1e3 * seconds));
}

}  // namespace

std::string grid_tables(const GridResult& result) {
  std::string tables;
  for (const GridResultScenario& scenario : result.scenarios) {
    const bool executed = scenario.cells.at(0).measured.has_value();
    std::vector<std::string> columns = {"prefetch", "step, simulated", "exposed communication", "exposed transfers"};
    if (executed) columns.insert(columns.end(), {"step, measured", "exposed communication", "exposed transfers"});
    tables += "**" + scenario.scenario + "** (ms per step)\n\n" + table_head(columns);
    for (const GridCell& cell : scenario.cells) {
      std::vector<std::string> cells = {cell.prefetch};
      add_milliseconds(cell.simulated, cells);
      if (cell.measured) add_milliseconds(*cell.measured, cells);
      tables += table_row(cells);
    }
    tables += "\n";
  }
  return tables;
}

}  // namespace moesaic::experiments
