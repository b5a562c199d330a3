#pragma once
// The groups in which ranks communicate, as a layout makes them.

#include <vector>

#include "core/graph/task_graph.h"

namespace moesaic {

/// The families of a layout: "world", "ep", "expert_dp" (ranks that hold the same slots; the teams of a workload with
/// tasks), "node" and "rail" (the two phases of a hierarchical all-to-all inside one expert-parallel group); with
/// tensor parallelism "tp" and "dp" (ranks that hold the same part of cut parameters). With a pipeline they all lie
/// inside its stages, but "world"; then there are "stage", "stages 0 and 1" and so on (a rank and its peer in the next
/// stage), and "embedding" (the first and the last stage, which hold a tied embedding).
Table<int, CommunicatorFamily> communicators_of(const Layout& layout, const Cluster& cluster,
                                                const Elastic& elastic = {});

}  // namespace moesaic
