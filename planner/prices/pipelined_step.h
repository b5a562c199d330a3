#pragma once
// The passes of microbatches on the stages of a pipeline; one stage is a pipeline too.

#include "core/plan/plan.h"
#include "planner/prices/pass_times.h"

namespace moesaic::planner {

///   step = max over stages k <= s of
///            [ sum_{j < s} (f_j + send) + m f_s + (m - 1) b_s + b'_s + sum_{k <= j < s} (b_j - r_j + send) + update_k
///            ]
///
/// with f, b the passes of one of m microbatches (one forward, one backward), b' the last backward pass with the sums
/// of gradients that run beside it, r what a stage that waits for gradients computes again meanwhile, send: one
/// microbatch's activations from a rank to its peer in the next stage.
Seconds pipelined_seconds(const Plan& plan, const LayerClasses& classes, const PassTimes& times);

}  // namespace moesaic::planner
