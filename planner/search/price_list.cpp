#include "planner/search/price_list.h"

#include <algorithm>

#include "planner/search/candidates.h"

namespace moesaic::planner {

bool faster(const PricedPlan& a, const PricedPlan& b) {
  return a.evaluation.feasible &&
         (!b.evaluation.feasible || a.evaluation.prediction.step_seconds < b.evaluation.prediction.step_seconds);
}

bool PriceList::finished() {
  interrupted_ = interrupted_ || problem_.stop();
  return interrupted_ || evaluations() >= problem_.effort;
}

const PricedPlan* PriceList::find(const Plan& plan) const {
  const auto known = std::find_if(plans_.begin(), plans_.end(),
                                  [&](const PricedPlan& priced) { return same_decisions(priced.plan, plan); });
  return known == plans_.end() ? nullptr : &*known;
}

void PriceList::ask(std::vector<PricedPlan> fresh) {
  std::vector<Plan> plans;
  for (const PricedPlan& candidate : fresh) plans.push_back(candidate.plan);
  std::vector<Evaluation> evaluations = evaluator_.evaluate(plans);
  for (size_t i = 0; i < fresh.size(); ++i) {
    const Evaluation& evaluation = fresh[i].evaluation = std::move(evaluations[i]);
    if (!evaluation.priced) continue;
    if (evaluation.feasible && (best_seconds_ == 0 || evaluation.prediction.step_seconds < best_seconds_))
      best_seconds_ = evaluation.prediction.step_seconds;
    plans_.push_back(std::move(fresh[i]));
  }
  problem_.progress(this->evaluations(), problem_.effort, best_seconds_);
}

std::vector<PricedPlan> PriceList::price(std::vector<PricedPlan> candidates) {
  const auto allowed = finished() ? size_t{0} : static_cast<size_t>(problem_.effort - evaluations());
  std::vector<PricedPlan> fresh;
  for (const PricedPlan& candidate : candidates)
    if (fresh.size() < allowed && find(candidate.plan) == nullptr) fresh.push_back(candidate);
  if (!fresh.empty()) ask(std::move(fresh));
  std::erase_if(candidates, [&](PricedPlan& candidate) {
    const PricedPlan* known = find(candidate.plan);
    if (known != nullptr) candidate.evaluation = known->evaluation;
    return known == nullptr;
  });
  return candidates;
}

}  // namespace moesaic::planner
