#include "cli/assumed_prices.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/results.h"
#include "core/schema/formatted.h"

namespace moesaic::cli {
namespace {

struct Wording {
  const char* what;
  bool of_operators;
  const char* text;  // after the value
};
constexpr Wording kWordings[] = {{"flops_efficiency", true, " of the peak FLOP/s"},
                                 {"bandwidth_efficiency", true, " of the memory bandwidth"},
                                 {"assumed_curves", true, " curves"},
                                 {"task_overhead_s", false, " for every launch"},
                                 {"link_efficiency", false, " of the links' rates"}};

/// "50 % of the peak FLOP/s (origin)".
std::string said(const Assumption& assumption, const Wording& wording) {
  const std::string value = assumption.what == "task_overhead_s"  ? format_seconds(assumption.value)
                            : assumption.what == "assumed_curves" ? formatted("%.0f", assumption.value)
                                                                  : formatted("%.3g %%", 100 * assumption.value);
  return value + wording.text + " (" + assumption.origin + ")";
}

std::string line_of(const std::vector<Assumption>& assumptions, bool of_operators) {
  std::string line;
  int64_t tasks = 0;
  for (const Assumption& assumption : assumptions)
    for (const Wording& wording : kWordings)
      if (assumption.what == wording.what && wording.of_operators == of_operators) {
        line += (line.empty() ? "assumed: " : ", ") + said(assumption, wording);
        tasks = std::max(tasks, assumption.tasks);
      }
  if (line.empty()) return "";
  const std::string of = std::string(of_operators ? " task" : " collective") + (tasks == 1 ? "" : "s");
  return line + (tasks > 0 ? " in " + with_commas(tasks) + of : "") + "\n";
}

}  // namespace

Json assumptions_json(const std::vector<Assumption>& assumptions) {
  Json list = Json::array();
  for (const Assumption& assumption : assumptions) {
    Json one = {{"what", assumption.what}, {"value", assumption.value}};
    if (assumption.tasks > 0) one["tasks"] = assumption.tasks;
    one["origin"] = assumption.origin;
    list.push_back(std::move(one));
  }
  return list;
}

std::string assumptions_text(const std::vector<Assumption>& assumptions) {
  return line_of(assumptions, true) + line_of(assumptions, false);
}

}  // namespace moesaic::cli
