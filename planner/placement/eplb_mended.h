#pragma once
// EPLB's placement where it may stand, mended where it repeats an expert on a rank: there the second slot is wasted.
// What DeepSeek published is eplb.h, which this leaves as it is.

#include "planner/placement/eplb.h"

namespace moesaic::planner {

struct MendedEplb {
  PlacementResult placed;  // refused as eplb_refusal() says
  int mended_slots = 0;    // slots that EPLB would have wasted; 0: the placement is EPLB's own
};

/// Every slot of EPLB that repeats an expert of its rank goes, in order of slots, to one more replica of the hottest
/// expert (most rows per replica by then, the first among equals) of those that the rank does not hold and has room
/// for: its rows stay within those of the hottest rank, of EPLB's placement or of what is left of it without the
/// repetitions. Where it has room for none, the coolest. Where the rules allow repeating, nothing is mended.
MendedEplb eplb_mended(const PlacementRequest& request, EplbTopology topology);

}  // namespace moesaic::planner
