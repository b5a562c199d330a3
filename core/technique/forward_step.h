#pragma once
// The forward pass of a training step alone, for losses that nothing is learnt from.

#include "core/graph/task_graph.h"

namespace moesaic {

/// Of a lowered training step: its forward tasks and, where there are several ranks, the sum of the losses. Tensors
/// keep their numbers, so that it computes from the weights of the whole step; nothing that outlives a step is written
/// but the loss, whose auxiliary part stays what it was.
TaskGraph forward_step(TaskGraph training);

}  // namespace moesaic
