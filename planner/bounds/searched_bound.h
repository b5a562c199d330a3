#pragma once
// A step time that no plan of a problem can beat: the least of the bounds of all its layouts.

#include "planner/problem/problem.h"

namespace moesaic::planner {

struct SearchedBound {
  Seconds seconds = 0;  // 0: none is known
  int64_t layouts = 0;  // whose bounds it is the least of; each stands for those that differ from it in ZeRO stage,
                        // recompute, tiers and embedding alone, and take no less time
};

/// Over all layouts of layout_values() of which one variant fits the devices by the closed form, a quarter of the
/// memory given in; over all-to-alls, placements with as many replicas as the search tries, chunks and buckets. Where
/// none fits, over all: expert states may leave the device. 0 where the problem says stop meanwhile.
SearchedBound searched_bound(const Problem& problem);

}  // namespace moesaic::planner
