#pragma once
// The seam through which the planner asks what a plan costs. Who answers (a closed form, SimGrid) is not its business.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/plan/plan.h"

namespace moesaic {

struct Evaluation {
  bool feasible = true;
  bool priced = true;      // false: the evaluator was stopped before it had an answer
  std::string reason;      // infeasible: the binding constraint and what would lift it
  Prediction prediction;   // lower bound and gap are filled by the planner
  int64_t activities = 0;  // simulated activities
  Seconds wall_seconds = 0;
  std::map<std::string, int64_t> price_basis;  // number of priced tasks by name_of(Basis)
};

class Evaluator {
 public:
  virtual ~Evaluator() = default;
  /// One evaluation per plan, in order. Deterministic: the same plan gives the same bits, whatever the number of
  /// workers.
  virtual std::vector<Evaluation> evaluate(std::span<const Plan> plans) = 0;
};

}  // namespace moesaic
