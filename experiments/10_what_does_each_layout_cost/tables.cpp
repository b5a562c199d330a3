// The result of a layout study as Markdown.
#include "experiments/10_what_does_each_layout_cost/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {
namespace {

constexpr double kGigabyte = 1e9, kMegabyte = 1e6;

void add_figures(const LayoutFigures& figures, double unit, std::vector<std::string>& cells) {
  for (const Seconds seconds : {figures.step_s, figures.exposed_communication_s})
    cells.push_back(number("%.1f", 1e3 * seconds));
  cells.push_back(number("%.1f", static_cast<double>(figures.peak_device_bytes) / unit));
}

std::string scenario_table(const LayoutResultScenario& scenario) {
  const LayoutResultRow& first = scenario.rows.at(0);
  const bool executed = first.measured.has_value(),
             large = static_cast<double>(first.simulated.peak_device_bytes) >= kGigabyte;
  const std::string memory = large ? "peak memory, GB" : "peak memory, MB";
  std::vector<std::string> columns = {"layout", "step, simulated", "exposed communication", memory};
  if (executed) columns.insert(columns.end(), {"step, measured", "exposed communication", memory, "step error"});
  std::string table = "**" + scenario.scenario + "** (times in ms)\n\n" + table_head(columns);
  for (const LayoutResultRow& row : scenario.rows) {
    std::vector<std::string> cells = {row.layout + (row.simulated.infeasible ? " (does not fit)" : "")};
    add_figures(row.simulated, large ? kGigabyte : kMegabyte, cells);
    if (row.measured) {
      add_figures(*row.measured, large ? kGigabyte : kMegabyte, cells);
      cells.push_back(number("%+.1f %%", 100 * (row.simulated.step_s / row.measured->step_s - 1)));
    }
    table += table_row(cells);
  }
  return table + "\n";
}

}  // namespace

std::string layout_tables(const LayoutResult& result) {
  std::string tables;
  for (const LayoutResultScenario& scenario : result.scenarios) tables += scenario_table(scenario);
  return tables;
}

}  // namespace moesaic::experiments
