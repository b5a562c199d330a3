#pragma once
// Device memory of a plan without simulating it. Lanes overlap, so that the true peak may lie on either side: this says
// what to price first, never what is infeasible.

#include "core/plan/plan.h"

namespace moesaic::planner {

/// Whether the first rank of every pipeline stage fits its device when tasks run one after another.
bool fits_in_program_order(const Plan& plan);

}  // namespace moesaic::planner
