#pragma once
// Documents -> plan: enumerates layouts, then improves one decision at a time, asking an Evaluator what each candidate
// costs.

#include <string>
#include <vector>

#include "core/evaluate/evaluator.h"
#include "planner/problem/problem.h"
#include "planner/problem/refusal.h"

namespace moesaic::planner {

struct PlanResult {
  bool feasible = false;
  Plan plan;  // complete with prediction and decisions when feasible; bounds/publish_bounds.h adds the bounds
  Evaluation evaluation;               // of the plan
  std::vector<RefusedLayout> refused;  // infeasible: each layout and what kept it out
  bool complete = true;                // infeasible: false where effort or time ended before every layout was tried
  int64_t evaluations = 0;             // plans that were priced
  int64_t needed_effort = 0;           // not complete: with this effort the answer is certain; 0 where time ended
  std::string promising;  // not complete: the first layout that fits in program order; "" where none is known
};

/// Deterministic: the same problem gives the same plan, unless `stop` ends the search early (plan.interrupted). As far
/// as the effort reaches it is never slower than the baselines: every enumerated layout with contiguous placement, flat
/// all-to-all and one collective per gradient, and the best of them with DeepSpeed's and Megatron's buckets.
PlanResult make_plan(const Problem& problem, Evaluator& evaluator);

}  // namespace moesaic::planner
