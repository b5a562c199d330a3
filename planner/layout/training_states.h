#pragma once
// How training states are divided over ranks, with what follows from it.

#include "core/plan/plan.h"

namespace moesaic::planner {

/// Sets the ZeRO stage of a plan. Stage 3 gathers the dense weights of about one layer at a time, one layer ahead; the
/// other stages gather none.
void divide_states(Plan& plan, int zero);

}  // namespace moesaic::planner
