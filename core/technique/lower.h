#pragma once
// Plan -> task graph: the baseline step, then every technique that the plan asks for, in a fixed order, each followed
// by the verifier and by a comparison with the graph before (core/graph/ledger.h).

#include "core/graph/task_graph.h"

namespace moesaic {

/// Lowers one step. The plan must have passed check_plan().
TaskGraph lower(const Plan& plan);

/// The same graph without verifier and comparisons: where a graph of this structure has passed them, and nothing runs
/// this one.
TaskGraph lower_unverified(const Plan& plan);

}  // namespace moesaic
