#include "planner/starts.h"

#include <algorithm>
#include <set>

#include "planner/layout/enumerate.h"
#include "planner/memory/program_order.h"
#include "planner/memory/relief.h"
#include "planner/search/candidates.h"

namespace moesaic::planner {
namespace {

using Candidates = std::vector<PricedPlan>;

class StartSearch {
 public:
  StartSearch(const Problem& problem, PriceList& prices) : problem_(problem), prices_(prices) {}

  Starts run() {
    layouts_ = enumerate_layouts(problem_);
    Candidates doubtful;  // beyond the device when tasks run in program order
    for (int way = kAsEnumerated; !starts_.feasible && !problem_.stop(); ++way) {
      bool exists = false;
      Candidates candidates = way == kAsEnumerated ? as_enumerated(exists) : relieved(static_cast<size_t>(way), exists);
      if (!exists) break;
      const auto fitting = std::stable_partition(
          candidates.begin(), candidates.end(),
          [&](const PricedPlan& candidate) { return !problem_.stop() && fits_in_program_order(candidate.plan); });
      if (fitting == candidates.begin())
        doubtful.insert(doubtful.end(), candidates.begin(), candidates.end());
      else {
        if (starts_.promising.empty()) starts_.promising = candidates.front().choice;
        price(candidates);
      }
    }
    if (!starts_.feasible) price(doubtful);
    return std::move(starts_);
  }

 private:
  static constexpr int kAsEnumerated = -1;

  Candidates as_enumerated(bool& exists) {
    exists = true;
    Candidates candidates;
    for (const LayoutCandidate& layout : layouts_) {
      const std::string choice = describe_layout(baseline_plan(problem_, layout.layout));
      Refusal refusal = problem_.stop() ? not_looked_at() : layout.refusal;
      Plan plan;
      if (refusal.empty()) {
        plan = baseline_of(layout);
        refusal = refused_for(lowering_refusal(plan));
      }
      if (refusal.empty())
        add(std::move(plan), candidates);
      else if (seen_.insert(choice).second)
        refuse(choice, refusal);
    }
    return candidates;
  }

  /// The layouts with one way to need less device memory. Of what its resident tensors refuse, the first layout is
  /// told: its ep is the largest.
  Candidates relieved(size_t way, bool& exists) {
    Candidates candidates;
    for (const LayoutCandidate& layout : layouts_) {
      if (problem_.stop()) break;
      Plan plan = baseline_of(layout);
      const std::vector<Relief> ways = memory_reliefs(problem_, plan);
      if (way >= ways.size()) continue;
      ways[way].apply(plan);
      Refusal refusal = ways[way].refusal.empty() ? refused_for(lowering_refusal(plan)) : ways[way].refusal;
      if (refusal.empty()) refusal = memory_refusal(plan);
      if (refusal.empty())
        add(std::move(plan), candidates);
      else if (!exists && seen_.insert(describe_layout(plan)).second)
        refuse(describe_layout(plan), refusal);
      exists = true;
    }
    return candidates;
  }

  /// A way may lead to a layout that another one, or the enumeration, has led to.
  void add(Plan plan, Candidates& candidates) {
    std::string choice = describe_layout(plan);
    if (seen_.insert(choice).second) candidates.push_back({std::move(plan), std::move(choice), {}});
  }

  Plan baseline_of(const LayoutCandidate& layout) const {
    return with_baseline_choices(problem_, baseline_plan(problem_, layout.layout));
  }

  void price(const Candidates& candidates) {
    const Candidates priced = prices_.price(candidates);
    auto next = priced.begin();
    for (const PricedPlan& candidate : candidates) {
      if (next == priced.end() || next->choice != candidate.choice) {
        ++starts_.dropped;
        refuse(candidate.choice, refused_for("not evaluated: the effort or the time was spent"));
        continue;
      }
      const Evaluation& evaluation = (next++)->evaluation;
      starts_.feasible = starts_.feasible || evaluation.feasible;
      if (evaluation.feasible)
        starts_.alternatives.push_back({candidate.choice, evaluation.prediction.step_seconds, ""});
      else
        refuse(candidate.choice, refusal_of(evaluation));
    }
  }

  void refuse(const std::string& layout, const Refusal& refusal) {
    starts_.refused.push_back({layout, refusal});
    starts_.alternatives.push_back({layout, 0, refusal.reason});
  }

  /// Of a plan that was priced and does not fit: by far the most do not for the device's memory.
  Refusal refusal_of(const Evaluation& evaluation) const {
    const auto peak = evaluation.prediction.peak_bytes.find("device");
    const Bytes capacity = problem_.cluster.device.usable_memory_bytes();
    if (peak == evaluation.prediction.peak_bytes.end() || peak->second <= capacity)
      return refused_for(evaluation.reason);
    return {evaluation.reason, "the step does not fit", peak->second, capacity, "on the device"};
  }

  const Problem& problem_;
  PriceList& prices_;
  std::vector<LayoutCandidate> layouts_;
  std::set<std::string> seen_;
  Starts starts_;
};

}  // namespace

Starts price_starts(const Problem& problem, PriceList& prices) { return StartSearch(problem, prices).run(); }

}  // namespace moesaic::planner
