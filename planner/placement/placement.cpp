#include "planner/placement/placement.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "core/schema/error.h"

namespace moesaic::planner {
namespace {

std::string broken_distinctness(const LayerPlacement& placement) {
  std::vector<int> last_rank(placement.num_experts, -1);
  for (int slot = 0; slot < placement.num_slots(); ++slot) {
    const int expert = placement.slot_to_expert[slot];
    const int rank = placement.rank_of(slot);
    if (last_rank[expert] == rank) {
      return "expert " + std::to_string(expert) + " fills two slots of rank " + std::to_string(rank);
    }
    last_rank[expert] = rank;
  }
  return "";
}

}  // namespace

std::string invalid_reason(const LayerPlacement& placement, PlacementRules rules) {
  if (placement.num_experts < 1 || placement.num_ranks < 1 || placement.slots_per_rank < 1) {
    return "experts, ranks and slots per rank must be at least 1";
  }
  const std::int64_t num_slots = std::int64_t{placement.num_ranks} * placement.slots_per_rank;
  if (static_cast<std::int64_t>(placement.slot_to_expert.size()) != num_slots) {
    return "slot_to_expert has " + std::to_string(placement.slot_to_expert.size()) + " entries, not " +
           std::to_string(num_slots);
  }
  std::vector<char> present(placement.num_experts, 0);
  for (const int expert : placement.slot_to_expert) {
    if (expert < 0 || expert >= placement.num_experts) return "expert " + std::to_string(expert) + " does not exist";
    present[expert] = 1;
  }
  const auto missing = std::find(present.begin(), present.end(), 0);
  if (missing != present.end()) return "expert " + std::to_string(missing - present.begin()) + " has no slot";
  return rules.distinct_on_rank ? broken_distinctness(placement) : "";
}

void check(const LayerPlacement& placement, PlacementRules rules) {
  const std::string reason = invalid_reason(placement, rules);
  if (reason.empty()) return;
  throw InputError("expert placement", "/slot_to_expert", reason, "every expert in at least one slot, [ranks * slots]",
                   "correct the placement, or let the planner choose one");
}

std::vector<std::vector<int>> expert_to_slots(const LayerPlacement& placement) {
  std::vector<std::vector<int>> slots(placement.num_experts);
  for (int slot = 0; slot < placement.num_slots(); ++slot) slots[placement.slot_to_expert[slot]].push_back(slot);
  return slots;
}

std::vector<int> replica_counts(const LayerPlacement& placement) {
  std::vector<int> counts(placement.num_experts, 0);
  for (const int expert : placement.slot_to_expert) ++counts[expert];
  return counts;
}

std::vector<double> rank_rows(const LayerPlacement& placement, const std::vector<double>& tokens) {
  MOESAIC_CHECK(static_cast<int>(tokens.size()) == placement.num_experts, "one token count per expert");
  const std::vector<int> counts = replica_counts(placement);
  std::vector<double> rows(placement.num_ranks, 0.0);
  for (int slot = 0; slot < placement.num_slots(); ++slot) {
    const int expert = placement.slot_to_expert[slot];
    rows[placement.rank_of(slot)] += tokens[expert] / counts[expert];
  }
  return rows;
}

double balancedness(const LayerPlacement& placement, const std::vector<double>& tokens) {
  const std::vector<double> rows = rank_rows(placement, tokens);
  const double hottest = *std::max_element(rows.begin(), rows.end());
  if (hottest == 0.0) return 1.0;
  return std::accumulate(rows.begin(), rows.end(), 0.0) / placement.num_ranks / hottest;
}

}  // namespace moesaic::planner
