#pragma once
// When the weights of which group exist whole: ZeRO-3 gathers a group before the layer that uses it and lets it go
// behind it. It knows nothing of gradients.

#include <vector>

#include "core/graph/task_graph.h"

namespace moesaic {

/// Gives every stretch of program in which layers use a group a gathered copy of the group's weights, of which the
/// weights that tasks read become views, and puts the all-gather `layers_ahead` layers before it (SE-MoE's
/// DenseSchedule(i + 1) beside layer i is 1; 0: when the layer starts). A stretch is one layer's forward or backward
/// pass of a microbatch, or several that follow one another. ignored: [tasks], those that do not count as uses.
void gather_weights(TaskGraph& graph, const std::vector<bool>& ignored, int layers_ahead);

}  // namespace moesaic
