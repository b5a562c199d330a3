#pragma once
// Small random layers and their exhaustive optimum: the oracle of the placement tests.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "planner/placement/layer_cost.h"
#include "planner/placement/request.h"

namespace moesaic::planner {

inline std::vector<double> random_tokens(int num_experts, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<double> tokens(num_experts);
  for (double& rows : tokens) rows = static_cast<double>(random() % 100);
  return tokens;
}

inline LayerLoad random_sources(int num_experts, int num_ranks, std::uint64_t seed) {
  return measured_sources(random_tokens(num_experts * num_ranks, seed), num_experts);
}

/// Calls `visit` for every valid placement, slots of a rank in ascending order of experts.
inline void for_each_placement(const PlacementRequest& request,
                               const std::function<void(const LayerPlacement&)>& visit) {
  LayerPlacement placement = unfilled(request);
  const std::function<void(int)> fill = [&](int slot) {
    if (slot == placement.num_slots()) {
      if (invalid_reason(placement, request.rules).empty()) visit(placement);
      return;
    }
    const int first = slot % request.slots_per_rank == 0 ? 0 : placement.slot_to_expert[slot - 1];
    for (int expert = first; expert < request.num_experts; ++expert) {
      placement.slot_to_expert[slot] = expert;
      fill(slot + 1);
    }
  };
  fill(0);
}

inline double optimal_seconds(const PlacementRequest& request, const LayerLoad& load, const LayerCostModel& model) {
  double best = std::numeric_limits<double>::infinity();
  for_each_placement(request, [&](const LayerPlacement& placement) {
    best = std::min(best, layer_seconds(placement, load, model).total());
  });
  return best;
}

struct SmallShape {
  int num_experts;
  int num_ranks;
  int slots_per_rank;
  int ranks_per_node;
  bool distinct_on_rank;
};

/// Spare slots and none, one node and several, E not a multiple of P, with and without the rule.
inline const std::vector<SmallShape> kSmallShapes = {
    {4, 2, 2, 2, false}, {4, 2, 3, 1, false}, {5, 2, 4, 2, true}, {6, 2, 3, 1, true},
    {6, 3, 2, 3, false}, {5, 3, 2, 1, false}, {6, 3, 3, 1, true}, {4, 3, 3, 3, false},
};

inline PlacementRequest request_of(const SmallShape& shape, const std::vector<double>& tokens) {
  return {shape.num_experts, shape.num_ranks, shape.slots_per_rank, tokens, {shape.distinct_on_rank}};
}

/// Compute, weight reads and both ports all matter.
inline LayerCostModel mixed_model(int ranks_per_node) { return {1.0, 7.0, 0.3, 0.9, ranks_per_node}; }

}  // namespace moesaic::planner
