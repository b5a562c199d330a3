#include "planner/make_plan.h"

#include <algorithm>

#include "core/plan/predicted.h"
#include "planner/search/layout_choices.h"
#include "planner/search/price_list.h"
#include "planner/starts.h"

namespace moesaic::planner {
namespace {

/// Coordinate descent from one start: decision after decision takes its best choice, until a round changes nothing.
class Descent {
 public:
  Descent(const Problem& problem, PriceList& prices, PricedPlan start)
      : problem_(problem), prices_(prices), current_(std::move(start)) {}

  PricedPlan run() {
    for (bool changed = true; changed && !prices_.finished();) {
      const Plan before = current_.plan;
      std::vector<Decision> round;
      for (const LayoutDimension dimension : layout_dimensions()) decide(dimension(problem_, current_.plan), round);
      for (const DecisionSpace& space : decision_spaces(problem_, current_.plan)) decide(space, round);
      changed = !same_decisions(current_.plan, before);
      if (current_.plan.decisions.empty() || changed || !prices_.finished()) current_.plan.decisions = std::move(round);
    }
    return std::move(current_);
  }

 private:
  void decide(const DecisionSpace& space, std::vector<Decision>& round) {
    if (space.choices.empty()) return;
    Decision decision{space.what, "", {}};
    std::string kept;  // the choice that the current plan holds; its price is known
    const std::vector<PricedPlan> priced = prices_.price(alternatives(space, decision, kept));
    const PricedPlan* best = nullptr;
    for (const PricedPlan& candidate : priced)
      if (faster(candidate, best == nullptr ? current_ : *best)) best = &candidate;
    const bool untried = priced.empty() && decision.runners_up.size() + 1 < space.choices.size();
    decision.choice = best != nullptr ? best->choice : kept + (untried ? " (the effort was spent)" : "");
    for (const PricedPlan& candidate : priced)
      if (&candidate != best)
        decision.runners_up.push_back(
            {candidate.choice, candidate.evaluation.prediction.step_seconds, candidate.evaluation.reason});
    if (best != nullptr) {
      if (!kept.empty()) decision.runners_up.push_back({kept, current_.evaluation.prediction.step_seconds, ""});
      current_.plan = best->plan;
      current_.evaluation = best->evaluation;
    }
    round.push_back(std::move(decision));
  }

  std::vector<PricedPlan> alternatives(const DecisionSpace& space, Decision& decision, std::string& kept) const {
    std::vector<PricedPlan> candidates;
    for (const Choice& choice : space.choices) {
      if (!choice.refusal.empty()) {
        decision.runners_up.push_back({choice.name, 0, choice.refusal});
        continue;
      }
      PricedPlan candidate{current_.plan, choice.name, {}};
      choice.apply(candidate.plan);
      if (kept.empty() && same_decisions(candidate.plan, current_.plan))
        kept = choice.name;
      else
        candidates.push_back(std::move(candidate));
    }
    return candidates;
  }

  const Problem& problem_;
  PriceList& prices_;
  PricedPlan current_;
};

/// The fastest plan of a layout from which no descent has begun or ended yet; nullptr when there is none.
const PricedPlan* next_start(const PriceList& prices, const std::vector<Layout>& improved) {
  const PricedPlan* best = nullptr;
  for (const PricedPlan& priced : prices.plans())
    if (priced.evaluation.feasible && std::count(improved.begin(), improved.end(), priced.plan.layout) == 0 &&
        (best == nullptr || faster(priced, *best)))
      best = &priced;
  return best;
}

/// Each layout that was priced is improved on its own, the most promising first, while effort is left: the best start
/// need not be the best plan.
PricedPlan search(const Problem& problem, PriceList& prices) {
  std::vector<Layout> improved;
  const PricedPlan* start = next_start(prices, improved);
  PricedPlan best = *start;
  for (; start != nullptr && !prices.finished(); start = next_start(prices, improved)) {
    improved.push_back(start->plan.layout);
    PricedPlan end = Descent(problem, prices, *start).run();
    improved.push_back(end.plan.layout);
    if (improved.size() == 2 || faster(end, best)) best = std::move(end);
  }
  return best;
}

/// The layout as the first of the plan's decisions, beside the layouts that the search began with.
Decision layout_decision(const Plan& plan, const Starts& starts) {
  Decision decision{"layout", describe_layout(plan), starts.alternatives};
  std::erase_if(decision.runners_up, [&](const Alternative& a) { return a.choice == decision.choice; });
  return decision;
}

}  // namespace

PlanResult make_plan(const Problem& problem, Evaluator& evaluator) {
  PriceList prices(problem, evaluator);
  const Starts starts = price_starts(problem, prices);
  PlanResult result;
  if (starts.feasible) {
    PricedPlan best = search(problem, prices);
    result.feasible = true;
    result.plan = std::move(best.plan);
    result.evaluation = std::move(best.evaluation);
    result.plan.decisions.insert(result.plan.decisions.begin(), layout_decision(result.plan, starts));
    set_prediction(result.plan, result.evaluation.prediction);
    result.evaluation.prediction = result.plan.prediction;
    result.plan.evaluations = prices.evaluations();
    result.plan.interrupted = prices.interrupted();
  }
  result.refused = starts.refused;
  result.complete = starts.dropped == 0 && !problem.stop();
  result.promising = starts.promising;
  result.evaluations = prices.evaluations();
  result.needed_effort = problem.stop() ? 0 : prices.evaluations() + starts.dropped;
  return result;
}

}  // namespace moesaic::planner
