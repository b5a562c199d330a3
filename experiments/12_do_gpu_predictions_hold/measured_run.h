#pragma once
// What served and trained configurations share: their plan, and how they are refused.

#include <string>

#include "experiments/laboratory/laboratory.h"

namespace moesaic::experiments {

/// On nodes of eight devices, with uniform routing and every decision that `problem` leaves open at its baseline.
/// InputError where it cannot be lowered.
Plan plan_of_run(planner::Problem problem, const std::string& device, const Layout& layout,
                 const Laboratory& laboratory);

[[noreturn]] void refuse_run(const std::string& problem, const std::string& expected);

}  // namespace moesaic::experiments
