#include "planner/placement/eplb_mended.h"

#include <algorithm>

#include "core/schema/error.h"

namespace moesaic::planner {
namespace {

/// Slots whose expert an earlier slot of the rank holds already, ascending.
std::vector<int> wasted_slots(const LayerPlacement& placement) {
  std::vector<int> wasted;
  std::vector<int> last_rank(placement.num_experts, -1);
  for (int slot = 0; slot < placement.num_slots(); ++slot) {
    int& last = last_rank[placement.slot_to_expert[slot]];
    if (last == placement.rank_of(slot)) wasted.push_back(slot);
    last = placement.rank_of(slot);
  }
  return wasted;
}

bool holds(const LayerPlacement& placement, int rank, int expert) {
  const auto first = placement.slot_to_expert.begin() + rank * placement.slots_per_rank;
  return std::find(first, first + placement.slots_per_rank, expert) != first + placement.slots_per_rank;
}

/// What each rank computes, with the wasted slots empty: [num_ranks].
std::vector<double> rows_of_ranks(const LayerPlacement& placement, const std::vector<double>& tokens,
                                  const std::vector<int>& counts) {
  std::vector<double> rows(placement.num_ranks, 0.0);
  for (int slot = 0; slot < placement.num_slots(); ++slot) {
    const int expert = placement.slot_to_expert[slot];
    if (expert >= 0) rows[placement.rank_of(slot)] += tokens[expert] / counts[expert];
  }
  return rows;
}

int expert_for(int rank, double room, const LayerPlacement& placement, const std::vector<double>& tokens,
               const std::vector<int>& counts) {
  int hottest = -1, coolest = -1;
  const auto share = [&](int expert, int more) { return tokens[expert] / (counts[expert] + more); };
  for (int expert = 0; expert < placement.num_experts; ++expert) {
    if (holds(placement, rank, expert)) continue;
    if (coolest < 0 || share(expert, 1) < share(coolest, 1)) coolest = expert;
    if (share(expert, 1) <= room && (hottest < 0 || share(expert, 0) > share(hottest, 0))) hottest = expert;
  }
  MOESAIC_CHECK(coolest >= 0, "a rank with a wasted slot holds fewer experts than there are");
  return hottest >= 0 ? hottest : coolest;
}

}  // namespace

MendedEplb eplb_mended(const PlacementRequest& request, EplbTopology topology) {
  PlacementRequest repeating = request;
  if (std::string refusal = refusal_of(request); !refusal.empty()) return {{{}, refusal}, 0};
  repeating.rules.distinct_on_rank = false;
  MendedEplb mended{eplb(repeating, topology), 0};
  if (!mended.placed.ok() || !request.rules.distinct_on_rank) return mended;
  LayerPlacement& placement = mended.placed.placement;
  const std::vector<int> wasted = wasted_slots(placement);
  std::vector<int> counts = replica_counts(placement);
  const std::vector<double> published = rows_of_ranks(placement, request.tokens, counts);
  for (const int slot : wasted) {
    --counts[placement.slot_to_expert[slot]];
    placement.slot_to_expert[slot] = -1;
  }
  const std::vector<double> left = rows_of_ranks(placement, request.tokens, counts);
  const double hottest =
      std::max(*std::max_element(published.begin(), published.end()), *std::max_element(left.begin(), left.end()));
  for (const int slot : wasted) {
    const int rank = placement.rank_of(slot);
    const double room = hottest - rows_of_ranks(placement, request.tokens, counts)[rank];
    int& expert = placement.slot_to_expert[slot];
    expert = expert_for(rank, room, placement, request.tokens, counts);
    ++counts[expert];
  }
  mended.mended_slots = static_cast<int>(wasted.size());
  return mended;
}

}  // namespace moesaic::planner
