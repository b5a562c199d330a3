#include "planner/make_plan.h"

#include <algorithm>

#include "planner/bounds/step_bound.h"
#include "planner/layout/enumerate.h"
#include "planner/memory/relief.h"
#include "planner/search/candidates.h"

namespace moesaic::planner {
namespace {

struct Evaluated {
  Plan plan;
  Evaluation evaluation;
  std::string choice;
};

Evaluated candidate_of(Plan plan, std::string choice) {
  Evaluated candidate;
  candidate.plan = std::move(plan);
  candidate.choice = std::move(choice);
  return candidate;
}

/// Ties go to the earlier candidate, so that a baseline stands until something is really faster.
bool better(const Evaluated& a, const Evaluated& b) {
  return a.evaluation.feasible &&
         (!b.evaluation.feasible || a.evaluation.prediction.step_seconds < b.evaluation.prediction.step_seconds);
}

class Search {
 public:
  Search(const Problem& problem, Evaluator& evaluator) : problem_(problem), evaluator_(evaluator) {}

  PlanResult run() {
    std::vector<Evaluated> starts = layouts();
    if (starts.empty()) return {false, {}, {}, reasons_, !problem_.stop() && !cut_short_};
    // Each layout is improved on its own, the most promising first, while effort is left: the best baseline need not be
    // the best plan.
    std::stable_sort(starts.begin(), starts.end(), better);
    constexpr size_t kImprovedLayouts = 2;
    Evaluated best = starts.front();
    for (size_t i = 0; i < std::min(kImprovedLayouts, starts.size()) && !finished(); ++i)
      if (Evaluated improved = improve(starts[i]); i == 0 || better(improved, best)) best = std::move(improved);
    return finish(std::move(best));
  }

 private:
  bool finished() {
    if (problem_.stop()) interrupted_ = true;
    return interrupted_ || evaluations_ >= problem_.effort;
  }

  /// Asks the evaluator for as many plans as effort allows; the others are dropped.
  std::vector<Evaluated> evaluate(std::vector<Evaluated> candidates) {
    const auto allowed = static_cast<size_t>(std::max<int64_t>(0, problem_.effort - evaluations_));
    if (candidates.size() > allowed) candidates.resize(allowed);
    std::vector<Plan> plans;
    for (const Evaluated& candidate : candidates) plans.push_back(candidate.plan);
    const std::vector<Evaluation> evaluations = evaluator_.evaluate(plans);
    for (size_t i = 0; i < candidates.size(); ++i) {
      candidates[i].evaluation = evaluations[i];
      if (evaluations[i].feasible && (best_seconds_ == 0 || evaluations[i].prediction.step_seconds < best_seconds_))
        best_seconds_ = evaluations[i].prediction.step_seconds;
    }
    evaluations_ += static_cast<int64_t>(candidates.size());
    problem_.progress(evaluations_, problem_.effort, best_seconds_);
    return candidates;
  }

  std::vector<Evaluated> layouts() {
    std::vector<Evaluated> candidates;
    layout_decision_ = {"layout", "", {}};
    layouts_ = enumerate_layouts(problem_);
    for (const LayoutCandidate& candidate : layouts_) {
      if (candidate.refusal.empty())
        candidates.push_back(candidate_of(with_baseline_choices(problem_, baseline_plan(problem_, candidate.layout)),
                                          describe_layout(candidate.layout)));
      else
        refuse(describe_layout(candidate.layout), candidate.refusal);
    }
    std::vector<Evaluated> fitting = those_that_fit(std::move(candidates));
    return fitting.empty() ? relieved() : fitting;
  }

  /// Where no layout fits: way after way to need less device memory, until one lets a layout fit.
  std::vector<Evaluated> relieved() {
    std::vector<Evaluated> fitting;
    for (size_t way = 0; fitting.empty(); ++way) {
      if (finished()) {
        cut_short_ = true;
        break;
      }
      std::vector<Evaluated> candidates;
      bool known = false;
      for (const LayoutCandidate& layout : layouts_) {
        if (problem_.stop()) break;
        const Plan plan = with_baseline_choices(problem_, baseline_plan(problem_, layout.layout));
        const std::vector<Choice> ways = memory_reliefs(problem_, plan);
        if (way >= ways.size()) continue;
        const bool first = !known;  // its ep is the largest: what refuses it refuses the others
        known = true;
        Evaluated candidate = candidate_of(plan, describe_layout(layout.layout) + ", " + ways[way].name);
        ways[way].apply(candidate.plan);
        const std::string refusal = ways[way].refusal.empty() ? memory_refusal(candidate.plan) : ways[way].refusal;
        if (refusal.empty())
          candidates.push_back(std::move(candidate));
        else if (first)
          refuse(candidate.choice, refusal);
      }
      if (!known) break;
      fitting = those_that_fit(std::move(candidates));
    }
    return fitting;
  }

  std::vector<Evaluated> those_that_fit(std::vector<Evaluated> candidates) {
    const auto allowed = static_cast<size_t>(std::max<int64_t>(0, problem_.effort - evaluations_));
    cut_short_ = cut_short_ || candidates.size() > allowed;
    for (size_t i = allowed; i < candidates.size(); ++i)
      refuse(candidates[i].choice, "not evaluated: the effort was spent");
    std::vector<Evaluated> feasible;
    for (Evaluated& evaluated : evaluate(std::move(candidates))) {
      if (evaluated.evaluation.feasible)
        feasible.push_back(std::move(evaluated));
      else
        refuse(evaluated.choice, evaluated.evaluation.reason);
    }
    for (const Evaluated& e : feasible)
      layout_decision_.runners_up.push_back({e.choice, e.evaluation.prediction.step_seconds, ""});
    return feasible;
  }

  void refuse(const std::string& layout, const std::string& reason) {
    reasons_.push_back(layout + ": " + reason);
    layout_decision_.runners_up.push_back({layout, 0, reason});
  }

  /// Coordinate descent: decision after decision takes its best choice, until a round changes nothing.
  Evaluated improve(Evaluated current) {
    std::vector<Decision> decisions;
    const std::vector<DecisionSpace> spaces =
        decision_spaces(problem_, current.plan);  // they depend on the layout alone
    for (bool changed = true; changed && !finished();) {
      changed = false;
      std::vector<Decision> round;
      for (const DecisionSpace& space : spaces) round.push_back(decide(space, current, changed));
      if (decisions.empty() || changed) decisions = std::move(round);
    }
    current.plan.decisions = std::move(decisions);
    return current;
  }

  Decision decide(const DecisionSpace& space, Evaluated& current, bool& changed) {
    std::vector<Evaluated> candidates;
    Decision decision{space.what, "", {}};
    std::string kept;  // the choice that the current plan holds; its price is known
    for (const Choice& choice : space.choices) {
      if (!choice.refusal.empty()) {
        decision.runners_up.push_back({choice.name, 0, choice.refusal});
        continue;
      }
      Evaluated candidate = candidate_of(current.plan, choice.name);
      choice.apply(candidate.plan);
      if (kept.empty() && candidate.plan == current.plan)
        kept = choice.name;
      else
        candidates.push_back(std::move(candidate));
    }
    if (candidates.empty()) {
      decision.choice = kept;
      return decision;
    }
    const std::vector<Evaluated> evaluated = finished() ? std::vector<Evaluated>{} : evaluate(std::move(candidates));
    const Evaluated* best = nullptr;
    for (const Evaluated& e : evaluated)
      if (better(e, best == nullptr ? current : *best)) best = &e;
    decision.choice = best != nullptr ? best->choice : kept + (evaluated.empty() ? " (the effort was spent)" : "");
    for (const Evaluated& e : evaluated)
      if (e.choice != decision.choice)
        decision.runners_up.push_back({e.choice, e.evaluation.prediction.step_seconds, e.evaluation.reason});
    if (best != nullptr) {
      if (!kept.empty()) decision.runners_up.push_back({kept, current.evaluation.prediction.step_seconds, ""});
      current.plan = best->plan;
      current.evaluation = best->evaluation;
      changed = true;
    }
    return decision;
  }

  PlanResult finish(Evaluated best) {
    PlanResult result{true, std::move(best.plan), std::move(best.evaluation), reasons_};
    Plan& plan = result.plan;
    layout_decision_.choice = best.choice;
    std::erase_if(layout_decision_.runners_up,
                  [&](const Alternative& a) { return a.choice == layout_decision_.choice; });
    plan.decisions.insert(plan.decisions.begin(), layout_decision_);
    plan.prediction = result.evaluation.prediction;
    // A price below the bound shows that the bound does not hold for this kind of plan: then none is published.
    const Seconds bound = step_bound(plan).seconds();
    if (bound > 0 && bound <= plan.prediction.step_seconds) {
      plan.prediction.lower_bound_seconds = bound;
      plan.prediction.gap = plan.prediction.step_seconds / bound - 1;
    }
    result.evaluation.prediction = plan.prediction;
    plan.evaluations = evaluations_;
    plan.interrupted = interrupted_;
    return result;
  }

  const Problem& problem_;
  Evaluator& evaluator_;
  std::vector<LayoutCandidate> layouts_;
  Decision layout_decision_;
  std::vector<std::string> reasons_;
  int64_t evaluations_ = 0;
  Seconds best_seconds_ = 0;
  bool interrupted_ = false;
  bool cut_short_ = false;  // a layout or a way to make it fit was left out for want of effort or time
};

}  // namespace

PlanResult make_plan(const Problem& problem, Evaluator& evaluator) { return Search(problem, evaluator).run(); }

}  // namespace moesaic::planner
