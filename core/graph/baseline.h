#pragma once
// The step without any technique, in the manner of DeepSpeed-MoE: flat all-to-all, one chunk, one collective per
// gradient.

#include "core/graph/task_graph.h"

namespace moesaic {

/// A training step (forward, backward, gradient reduction, AdamW), a prefill step or a decode step, as the plan's
/// workload says. Dependencies are not linked yet.
TaskGraph baseline_step(const Plan& plan);

}  // namespace moesaic
