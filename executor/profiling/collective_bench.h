#pragma once
// Measures the collectives of all ranks as a step runs them: started and polled by the rank's own thread. It knows no
// graph.

#include <vector>

#include "core/operators/operator.h"
#include "core/schema/profile.h"
#include "executor/profiling/bench.h"

namespace moesaic::executor {

/// The busiest member's bytes of every point: 64 B to 16 MiB in steps of four.
std::vector<Bytes> collective_sizes();

/// The bytes that each member contributes so that the busiest one sends about `busiest` (core/network): what it keeps
/// for a peer (all_to_all, reduce_scatter), all of its data (all_reduce, all_gather). Multiples of 4, at least 4.
Bytes contribution(Op op, Bytes busiest, int num_ranks);

/// What the busiest member sends for such a contribution.
Bytes busiest_bytes(Op op, Bytes contribution, int num_ranks);

/// One collective of all ranks, every member contributing `bytes`: the slowest rank's seconds. Must not outlive
/// `bench`.
Measure open_collective(Op op, Bytes bytes, Bench& bench);

}  // namespace moesaic::executor
