// The result as Markdown: a table per device.
#include "experiments/14_how_well_are_gpu_prices_read/study.h"
#include "experiments/figures/table.h"

namespace moesaic::experiments {

std::string reading_tables(const ReadingResult& result) {
  std::string tables, device;
  for (const ReadingErrors& row : result.errors) {
    if (row.device != device) {
      device = row.device;
      tables += (tables.empty() ? "**" : "\n**") + device + "** (errors in %)\n\n" +
                table_head({"kernel", "weights", "left out, every second", "points", "number", "median", "mean", "p95",
                            "null model, median", "p95"});
    }
    std::vector<std::string> cells = {row.kernel, row.weights, row.left_out, row.points_of, std::to_string(row.points)};
    for (const double error : {row.median, row.mean, row.p95, row.null_median, row.null_p95})
      cells.push_back(number("%.1f", 100 * error));
    tables += table_row(cells);
  }
  return tables;
}

}  // namespace moesaic::experiments
