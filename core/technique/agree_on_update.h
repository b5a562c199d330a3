#pragma once
// Where in a training step all ranks agree whether it counts.

#include "core/graph/task_graph.h"

namespace moesaic {

/// The task before which every rank has looked at all gradients that it updates from, and behind which all updates run:
/// the sum of the losses, which carries the verdict; of a rank alone, its first update. -1 where nothing is updated.
TaskIndex verdict_task(const TaskGraph& graph);

}  // namespace moesaic
