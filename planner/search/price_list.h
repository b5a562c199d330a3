#pragma once
// What plans cost: asks the evaluator once for each plan, within the effort, and remembers the answers. Which plan to
// ask for next is the search's business.

#include <string>
#include <vector>

#include "core/evaluate/evaluator.h"
#include "planner/problem/problem.h"

namespace moesaic::planner {

struct PricedPlan {
  Plan plan;
  std::string choice;  // what it was tried for
  Evaluation evaluation;
};

/// Ties go to `b`, so that what stands is replaced only by something really faster.
bool faster(const PricedPlan& a, const PricedPlan& b);

class PriceList {
 public:
  PriceList(const Problem& problem, Evaluator& evaluator) : problem_(problem), evaluator_(evaluator) {}

  /// The candidates with their prices, in order. A plan that was priced before costs no effort; those that the effort
  /// leaves out are dropped, and so are all that are new once the search was told to stop.
  std::vector<PricedPlan> price(std::vector<PricedPlan> candidates);

  /// The effort is spent, or the search was told to stop.
  bool finished();
  bool interrupted() const { return interrupted_; }

  /// Each plan once, in the order of the questions.
  const std::vector<PricedPlan>& plans() const { return plans_; }
  int64_t evaluations() const { return static_cast<int64_t>(plans_.size()); }

 private:
  const PricedPlan* find(const Plan& plan) const;
  void ask(std::vector<PricedPlan> fresh);

  const Problem& problem_;
  Evaluator& evaluator_;
  std::vector<PricedPlan> plans_;
  Seconds best_seconds_ = 0;
  bool interrupted_ = false;
};

}  // namespace moesaic::planner
