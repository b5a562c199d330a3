#pragma once
// The choices of each dimension of the layout, one step away from a plan. The layouts to start from are enumerated
// elsewhere; here is what a good one could do differently.

#include <vector>

#include "planner/search/candidates.h"

namespace moesaic::planner {

/// A dimension with this plan's value and the values one step away that can be lowered. Where a value asks for it,
/// ep, microbatches, all-to-all, chunks and placement follow. No choices where the dimension is fixed or has no other
/// value.
using LayoutDimension = DecisionSpace (*)(const Problem& problem, const Plan& plan);

/// ZeRO stages, pipeline stages, tensor parallelism, slices of experts, recompute, embedding and prefetch.
const std::vector<LayoutDimension>& layout_dimensions();

}  // namespace moesaic::planner
