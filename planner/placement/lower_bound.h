#pragma once
// Seconds that no placement of the given slots can beat: the yardstick for the gap of a plan.
// It is a relaxation, so the best placement may be slower; it is never faster.

#include "planner/placement/layer_cost.h"
#include "planner/placement/request.h"

namespace moesaic::planner {

/// compute + 2 * port, each the largest of bounds that hold for every placement. With T rows in all, P ranks, S slots
/// each, a the least active slots, c the most replicas of one expert (slots left over + 1; P where replicas must be
/// distinct):
///   mean     (T * seconds_per_row + a * seconds_per_active_expert) / P
///   hottest  replicas of an expert sit on at most min(c, P) ranks: some rank has max_e tokens[e] / min(c, P) rows,
///   replica  and some slot has the least possible max_e tokens[e] / count[e] (replicate());
///            both plus its weight reads: S where every expert has rows, else 1
///   port     rows away from their rank, R, are at least, for some rank, all but those to its S hottest experts, and in
///   the
///            mean (T - sum_e max_q x[q][e]) / P, since an expert's replicas share one whole of its rows. Rows away
///            from their node, N per rank, in the same way. The port takes inter * N at least, and R split in the best
///            way over both ports: R * a*b / (a + b) (a, b: intra, inter; R * a with one node, R * b with a rank per
///            node)
double lower_bound(const PlacementRequest& request, const LayerLoad& load, const LayerCostModel& model);

}  // namespace moesaic::planner
