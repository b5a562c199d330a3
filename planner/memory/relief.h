#pragma once
// What a plan can give up in time to need less device memory: states divided, recomputed, or moved down the tiers. It
// knows the ways, from the cheapest to the dearest; which of them fits, the evaluator says.

#include <functional>
#include <string>
#include <vector>

#include "planner/problem/problem.h"
#include "planner/problem/refusal.h"

namespace moesaic::planner {

struct Relief {
  std::function<void(Plan&)> apply;
  Refusal refusal;  // an inequality of SE-MoE's section 3.2.1 that the way breaks; empty when it may be tried
};

/// For a training plan that does not fit.
std::vector<Relief> memory_reliefs(const Problem& problem, const Plan& plan);

}  // namespace moesaic::planner
