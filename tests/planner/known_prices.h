#pragma once
// Problems and evaluators for tests of the planner: the price of a plan is a plain function, so that the best plan is
// known by trying all of them. They say nothing about real hardware.

#include <functional>
#include <utility>

#include "core/cost/plain_cost_model.h"
#include "core/evaluate/evaluator.h"
#include "planner/layout/enumerate.h"
#include "planner/search/candidates.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic::planner::testing {

/// One MoE layer of 4 experts on 2 nodes of 2 devices, 16 sequences of 4 tokens: ep 4, 2 or 1 and 1, 2 or 4
/// microbatches, nine layouts.
inline Problem tiny_problem() {
  const Plan plan = moesaic::testing::tiny_plan(4, 4);
  Problem problem;
  problem.model = plan.model;
  problem.cluster = plan.cluster;
  problem.cluster.name = "two nodes";
  problem.cluster.device = {"device", 1'000'000'000, 1e11, 1e12, 2e12, false};
  problem.cluster.intra_node = {1e10, 1e-6};
  problem.cluster.nic = {1e9, 3e-6};
  problem.cluster.nics_per_node = 2;
  problem.workload = plan.workload;
  problem.workload.global_batch = 16;
  problem.routing.generator = {1.2, 5, false};
  problem.profile = plain_profile(problem.cluster);
  problem.effort = 300;
  return problem;
}

/// Prices by a function; counts the plans that it was asked for.
class KnownPrices : public Evaluator {
 public:
  explicit KnownPrices(std::function<double(const Plan&)> seconds) : seconds_(std::move(seconds)) {}

  std::vector<Evaluation> evaluate(std::span<const Plan> plans) override {
    std::vector<Evaluation> evaluations(plans.size());
    for (size_t i = 0; i < plans.size(); ++i) evaluations[i].prediction.step_seconds = seconds_(plans[i]);
    asked += static_cast<int64_t>(plans.size());
    return evaluations;
  }

  int64_t asked = 0;

 private:
  std::function<double(const Plan&)> seconds_;
};

/// Calls `visit` with every plan of a problem: each layout that fits with every combination of choices.
inline void for_every_plan(const Problem& problem, const std::function<void(const Plan&)>& visit) {
  const std::function<void(Plan, const std::vector<DecisionSpace>&, size_t)> descend =
      [&](Plan plan, const std::vector<DecisionSpace>& spaces, size_t depth) {
        if (depth == spaces.size()) return visit(plan);
        for (const Choice& choice : spaces[depth].choices) {
          if (!choice.refusal.empty()) continue;
          Plan next = plan;
          choice.apply(next);
          descend(std::move(next), spaces, depth + 1);
        }
      };
  for (const LayoutCandidate& candidate : enumerate_layouts(problem)) {
    if (!candidate.refusal.empty()) continue;
    const Plan plan = baseline_plan(problem, candidate.layout);
    descend(plan, decision_spaces(problem, plan), 0);
  }
}

}  // namespace moesaic::planner::testing
