#pragma once
// Every layout of the plan space that splits the batch and the experts evenly, with a reason for each one that does not
// fit in memory.

#include <string>
#include <vector>

#include "planner/problem/problem.h"
#include "planner/problem/refusal.h"

namespace moesaic::planner {

struct LayoutCandidate {
  Layout layout;
  Refusal refusal;  // empty: it may be tried
};

/// ep over the divisors of the ranks, microbatches over powers of two, in as few pipeline stages as let the batch
/// divide. Where none of these fits, also ZeRO-1; then tp 2, 4, 8 inside a node; then more stages, up to the first that
/// fits. Memory: parameters, gradients and optimizer state of one rank must fit the device; activations are the
/// evaluator's business. Throws InputError when the batch or the experts divide over no layout, or when model and
/// workload do not go together: tasks for a router or none for a model without.
std::vector<LayoutCandidate> enumerate_layouts(const Problem& problem);

/// Why the resident tensors of the plan do not fit the device; empty when they do.
Refusal memory_refusal(const Plan& plan);

/// Numbers of microbatches into which the batch can be cut, so that `ranks` share each evenly; ascending, in training
/// powers of two up to 64 unless one is fixed.
std::vector<int> dividing_micro_batches(const Problem& problem, int ranks);

/// Why check_plan does not accept the plan; "" when it does.
std::string lowering_refusal(const Plan& plan);
bool can_be_lowered(const Plan& plan);

/// Sequences of each task in a microbatch: [tasks].
std::vector<int64_t> task_batches(const Workload& workload, int micro_batches);

/// The plan of a problem with a layout and every other decision at its baseline: contiguous, flat, one chunk, one
/// bucket, tasks balanced over the ranks.
Plan baseline_plan(const Problem& problem, const Layout& layout);

}  // namespace moesaic::planner
