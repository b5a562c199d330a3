#include "experiments/figures/table.h"

#include "core/schema/formatted.h"

namespace moesaic::experiments {

std::string table_head(const std::vector<std::string>& columns) {
  std::string rule = "|";
  for (size_t i = 0; i < columns.size(); ++i) rule += "---|";
  return table_row(columns) + rule + "\n";
}

std::string table_row(const std::vector<std::string>& cells) {
  std::string row = "|";
  for (const std::string& cell : cells) row += " " + cell + " |";
  return row + "\n";
}

std::string number(const char* format, double value) { return formatted(format, value); }

std::string signed_percent(double fraction) { return number("%+.1f %%", 100 * fraction); }

}  // namespace moesaic::experiments
