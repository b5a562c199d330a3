#pragma once
// Where the experts of one MoE layer live: which logical expert fills each physical slot of each rank, and how even
// that is. It does not choose a placement (see the policies beside it) and knows no time (see layer_cost.h).

#include <string>
#include <vector>

namespace moesaic::planner {

struct LayerPlacement {
  int num_experts = 0;
  int num_ranks = 0;
  int slots_per_rank = 0;
  std::vector<int> slot_to_expert;  // [num_ranks * slots_per_rank], physical to logical; slot s lives on rank_of(s)

  int num_slots() const { return num_ranks * slots_per_rank; }
  int rank_of(int slot) const { return slot / slots_per_rank; }
  bool operator==(const LayerPlacement&) const = default;
};

struct PlacementRules {
  /// Refuses two replicas of one expert on one rank: the second wastes the slot.
  bool distinct_on_rank = false;
};

/// Why the placement is not valid (sizes, range, an expert without a slot, a broken rule), or "" when it is.
std::string invalid_reason(const LayerPlacement& placement, PlacementRules rules = {});

/// Throws InputError when invalid_reason() is not empty; for placements that come from outside.
void check(const LayerPlacement& placement, PlacementRules rules = {});

std::vector<std::vector<int>> expert_to_slots(const LayerPlacement& placement);  // [num_experts, replicas], ascending
std::vector<int> replica_counts(const LayerPlacement& placement);                // [num_experts]

/// Rows that each rank computes; the rows of an expert split evenly over its replicas.
std::vector<double> rank_rows(const LayerPlacement& placement, const std::vector<double>& tokens);  // [num_ranks]

/// mean / max of rank_rows: 1 is even, 1 / num_ranks is everything on one rank. No rows at all count as even.
double balancedness(const LayerPlacement& placement, const std::vector<double>& tokens);

}  // namespace moesaic::planner
