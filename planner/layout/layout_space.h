#pragma once
// All layouts of a problem: every combination of what is decided before experts are placed that a plan may have. What
// fits and what it costs, planner/prices says.

#include <functional>
#include <vector>

#include "planner/problem/problem.h"

namespace moesaic::planner {

/// Values that each decision may take; those that a problem fixes have one.
struct LayoutValues {
  std::vector<int> pp, tp, ep, expert_slices, micro_batches, zero, dense_prefetch;
  std::vector<Recompute> recompute;
  std::vector<GroupTokens> tp_tokens;
  std::vector<ExpertExchange> exchange;
  std::vector<AllToAllKind> all_to_all;
  std::vector<Embedding> embedding;
  std::vector<Tier> home;
};

/// Pipeline stages, ep: divisors of the ranks. tp, slices, microbatches: powers of two, up to 8, 8 and 64. Experts at
/// home on the device.
LayoutValues layout_values(const Problem& problem);

/// Calls `visit` with every plan of these values that check_plan() accepts, everything else at its baseline, in the
/// order of the values, until it returns false or the problem says stop. The plan is the same object each time.
/// Returns the number of plans visited.
int64_t for_each_layout(const Problem& problem, const LayoutValues& values,
                        const std::function<bool(const Plan&)>& visit);

}  // namespace moesaic::planner
