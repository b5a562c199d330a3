#pragma once
// The default of every framework: consecutive experts on consecutive ranks, without a look at the load.
// It is the baseline that other policies are compared with, and the usual start of the local search.

#include "planner/placement/request.h"

namespace moesaic::planner {

/// Expert e lives on rank e / (E/P). Further slots of rank r repeat the experts of ranks r+1, r+2, ... in order, so
/// replicas go round robin. Refuses when num_ranks does not divide num_experts (lpt has no such limit).
PlacementResult contiguous(const PlacementRequest& request);

}  // namespace moesaic::planner
