#include "cli/assumed_prices.h"

#include <nlohmann/json.hpp>

#include "cli/results.h"
#include "core/schema/formatted.h"

namespace moesaic::cli {
namespace {

/// "50 % of the peak FLOP/s (origin)".
std::string said(const Assumption& assumption) {
  const std::string share = format_share(assumption.value);
  const std::string origin = " (" + assumption.origin + ")";
  if (assumption.what == "flops_efficiency") return share + " of the peak FLOP/s" + origin;
  if (assumption.what == "bandwidth_efficiency") return share + " of the memory bandwidth" + origin;
  if (assumption.what == "link_efficiency") return share + " of the links' rates" + origin;
  if (assumption.what == "task_overhead_s") return format_seconds(assumption.value) + " for a launch" + origin;
  if (assumption.what == "launch_interval_s")
    return "launches at least " + format_seconds(assumption.value) + " apart" + origin;
  if (assumption.what == "collective_slowdown") return formatted("%.2f", assumption.value) + " times the time" + origin;
  return formatted("%.0f", assumption.value) + " curves" + origin;  // assumed_curves
}

/// "in 3 collectives"; "" where nothing was counted.
std::string place_of(const Assumption& assumption) {
  if (assumption.what == "task_overhead_s" || assumption.what == "launch_interval_s") return " in every task";
  if (assumption.what == "collective_slowdown") return " of compute beside a collective";
  if (assumption.tasks == 0) return "";
  return " in " + with_commas(assumption.tasks) + (assumption.what == "link_efficiency" ? " collective" : " task") +
         (assumption.tasks == 1 ? "" : "s");
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
  std::string text, line_of;
  for (const Assumption& assumption : assumptions) {
    const std::string place = "assumed" + place_of(assumption) + ": ";
    text += text.empty() ? place : place == line_of ? ", " : "\n" + place;
    text += said(assumption);
    line_of = place;
  }
  return text.empty() ? text : text + "\n";
}

}  // namespace moesaic::cli
