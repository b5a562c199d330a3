#include "planner/problem/refusal.h"

#include <algorithm>

namespace moesaic::planner {
namespace {

double lack_of(const RefusedLayout& refused) {
  return static_cast<double>(refused.refusal.needs) / static_cast<double>(refused.refusal.has);
}

std::string line_of(std::span<const RefusedLayout> alike) {
  const RefusedLayout& first = alike.front();
  if (alike.size() == 1) return first.layout + ": " + first.refusal.reason;
  const std::string line = std::to_string(alike.size()) + " layouts: " + first.refusal.limit;
  const RefusedLayout* const nearest = nearest_to_fit(alike);
  if (nearest == nullptr) return line + "; the first: " + first.layout;
  const Refusal& refusal = nearest->refusal;
  return line + "; nearest: " + nearest->layout + " needs " + format_bytes(static_cast<double>(refusal.needs)) +
         " of " + format_bytes(static_cast<double>(refusal.has)) + " " + refusal.where;
}

}  // namespace

Refusal refused_for(const std::string& reason) { return {reason, reason}; }

Refusal not_looked_at() { return refused_for("not looked at: the search was ended"); }

std::vector<std::string> grouped(std::span<const RefusedLayout> refused) {
  std::vector<std::string> lines;
  std::vector<bool> told(refused.size(), false);
  for (size_t i = 0; i < refused.size(); ++i) {
    if (told[i]) continue;
    std::vector<RefusedLayout> alike;
    for (size_t j = i; j < refused.size(); ++j)
      if (refused[j].refusal.limit == refused[i].refusal.limit) alike.push_back(refused[j]), told[j] = true;
    lines.push_back(line_of(alike));
  }
  return lines;
}

const RefusedLayout* nearest_to_fit(std::span<const RefusedLayout> refused) {
  const RefusedLayout* nearest = nullptr;
  for (const RefusedLayout& each : refused)
    if (each.refusal.has > 0 && (nearest == nullptr || lack_of(each) < lack_of(*nearest))) nearest = &each;
  return nearest;
}

}  // namespace moesaic::planner
