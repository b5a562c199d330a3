#pragma once
// What a plan can give up in time to need less device memory: states divided, recomputed, or moved down the tiers. It
// names the ways, from the cheapest to the dearest; which of them fits, the evaluator says.

#include <vector>

#include "planner/search/candidates.h"

namespace moesaic::planner {

/// For a training plan that does not fit. A way that breaks an inequality of SE-MoE's section 3.2.1 has a refusal.
std::vector<Choice> memory_reliefs(const Problem& problem, const Plan& plan);

}  // namespace moesaic::planner
