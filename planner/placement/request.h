#pragma once
// What every placement policy is asked and what it answers: a placement, or the reason why there is none.
// A policy never throws for a request that cannot be met; only check() does, for callers at the border.

#include <string>
#include <vector>

#include "planner/placement/placement.h"

namespace moesaic::planner {

struct PlacementRequest {
  int num_experts = 0;
  int num_ranks = 0;
  int slots_per_rank = 0;
  std::vector<double> tokens;  // [num_experts], mean rows per expert in this layer
  PlacementRules rules;

  int num_slots() const { return num_ranks * slots_per_rank; }
};

struct PlacementResult {
  LayerPlacement placement;  // meaningful only when ok()
  std::string refusal;       // names the binding constraint

  bool ok() const { return refusal.empty(); }
};

/// Why no policy at all can answer (no room for every expert, bad tokens, impossible rule), or "".
std::string refusal_of(const PlacementRequest& request);

/// Throws InputError with the remedy when refusal_of() is not empty.
void check(const PlacementRequest& request);

/// The placement of the request's shape with every slot still unfilled (-1).
LayerPlacement unfilled(const PlacementRequest& request);

}  // namespace moesaic::planner
