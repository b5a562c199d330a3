#pragma once
// The step of a plan before any technique has changed it: DeepSpeed-MoE's, in program order.

#include "core/graph/task_graph.h"
#include "core/plan/plan.h"

namespace moesaic {

/// One training step (forward, backward, reduction, update), or one prefill or decode step. Throws InputError where the
/// step of this plan is not built.
TaskGraph baseline_step(const Plan& plan);

}  // namespace moesaic
