#pragma once
// Tables of Markdown, as the README of an experiment shows them. What stands in the cells is the study's matter.

#include <string>
#include <vector>

namespace moesaic::experiments {

/// {"plan", "ms"} -> "| plan | ms |\n|---|---|\n".
std::string table_head(const std::vector<std::string>& columns);
/// {"a", "1.5"} -> "| a | 1.5 |\n".
std::string table_row(const std::vector<std::string>& cells);

/// A number, also one of a JSON document, by a printf format with one %f or %g: ("%+.1f %%", -4.52) -> "-4.5 %".
std::string number(const char* format, double value);
/// -0.0452 -> "-4.5 %".
std::string signed_percent(double fraction);

}  // namespace moesaic::experiments
