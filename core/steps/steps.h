#pragma once
// The steps that blocks make. baseline_step.h chooses among them.

#include "core/graph/task_graph.h"
#include "core/plan/plan.h"

namespace moesaic {

/// Every microbatch through all stages of the pipeline and back, the gradients' reductions, the update. Throws
/// InputError where a part of the model has no backward pass. Slots that hold the same expert are experts of their own
/// until replica_gradients (core/technique) sums their gradients.
TaskGraph training_step(const Plan& plan);

/// The forward pass of a prefill step (all tokens of each sequence) or of a decode step (one token of each).
TaskGraph inference_step(const Plan& plan);

}  // namespace moesaic
