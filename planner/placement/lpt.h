#pragma once
// Longest processing time first, with the same number of slots on every rank: the classical greedy for balancing rows.
// It balances rows only; weight reads and ports are the business of local_search.

#include "planner/placement/request.h"

namespace moesaic::planner {

/// Replicas by replicate(), then the heaviest replica first onto the least loaded rank that has a free slot (ties:
/// lowest expert, lowest rank). Keeps the rule of distinct experts by one exchange where the greedy would be stuck. For
/// given replicas the hottest rank is at most (4P-1)/(3P) times the best when slots_per_rank <= 3 and replicas may
/// share a rank (Kellerer and Woeginger, "A tight bound for 3-partitioning", 1993).
PlacementResult lpt(const PlacementRequest& request);

}  // namespace moesaic::planner
