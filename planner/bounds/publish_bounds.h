#pragma once
// The bounds of a plan beside its price: how far it can be from the best.

#include "core/plan/plan.h"
#include "planner/problem/problem.h"

namespace moesaic::planner {

/// Sets lower_bound_seconds, gap and layout_bound_seconds of the plan that was found for the problem, from the step
/// time that it carries. It looks at every layout, which takes seconds on hundreds of devices.
void publish_bounds(const Problem& problem, Plan& plan);

}  // namespace moesaic::planner
