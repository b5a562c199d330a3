#pragma once
// What routing asks of an expert-parallel group wherever its experts stand: rows that some rank must compute, and rows
// that must leave theirs.

#include <vector>

#include "core/graph/routing_binding.h"

namespace moesaic::planner {

struct LeastRows {
  int sources = 0;
  double sent = 0;           // mean over sources
  double mean_received = 0;  // of a rank
  double received = 0;       // of some rank at least: the mean, or those of the hottest expert's busiest slot
  int64_t most_in_slot = 0;  // no slot has more
  int64_t total = 0;         // of the group
  double leave_rank = 0;     // mean over sources, of rows that no slot of theirs can take
  double leave_node = 0;     // of rows that no slot of their node can take
};

/// Of one MoE layer and microbatch. counts: one slot per slice of an expert. `slots_per_rank` that any placement has;
/// `ranks_per_node` inside the group.
LeastRows least_rows(const SlotCounts& counts, int slots_per_rank, int ranks_per_node);

}  // namespace moesaic::planner
