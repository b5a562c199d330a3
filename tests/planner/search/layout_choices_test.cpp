#include "planner/search/layout_choices.h"

#include <gtest/gtest.h>

#include "core/technique/lower.h"
#include "tests/planner/known_prices.h"

namespace moesaic::planner {
namespace {

using testing::tiny_problem;
using Names = std::vector<std::string>;

/// The tiny problem with two layers, so that there may be stages.
Problem two_layers() {
  Problem problem = tiny_problem();
  problem.model.num_layers = 2;
  problem.model.moe_layers.assign(2, true);
  return problem;
}

Names names_of(const Problem& problem, const Plan& plan, const std::string& what) {
  Names names;
  for (const LayoutDimension dimension : layout_dimensions())
    if (const DecisionSpace space = dimension(problem, plan); space.what == what)
      for (const Choice& choice : space.choices) names.push_back(choice.name);
  return names;
}

Plan plan_of(const Problem& problem, const Layout& layout) {
  return with_baseline_choices(problem, baseline_plan(problem, layout));
}

// 16 sequences over the 2 ranks of a stage: 2, 4 and 8 microbatches keep two stages busy. 2 heads are cut in two. 4
// experts of two slices have 8 parts, more than 4 ranks.
TEST(LayoutChoices, AreOneStepAway) {
  const Problem problem = two_layers();
  const Plan plan = plan_of(problem, {4, 2, 1});
  EXPECT_EQ(names_of(problem, plan, "training states"), (Names{"whole on every rank", "ZeRO-1", "ZeRO-2", "ZeRO-3"}));
  EXPECT_EQ(names_of(problem, plan, "pipeline stages"),
            (Names{"1 stage, 1 microbatch", "2 stages, 2 microbatches", "2 stages, 4 microbatches",
                   "2 stages, 8 microbatches"}));
  EXPECT_EQ(names_of(problem, plan, "tensor parallelism"), (Names{"tp 1", "tp 2"}));
  EXPECT_EQ(names_of(problem, plan, "slices of experts"), (Names{"1 slice, ep 2", "2 slices, ep 4"}));
  EXPECT_EQ(names_of(problem, plan_of(problem, {4, 4, 1}), "slices of experts"), Names{});
  EXPECT_EQ(names_of(problem, plan, "recompute"), Names{});
  EXPECT_EQ(names_of(problem, plan, "prefetch"), Names{});
}

TEST(LayoutChoices, FollowThePlan) {
  const Problem problem = two_layers();
  Plan plan = plan_of(problem, {4, 2, 1});
  plan.layout.zero = 3;
  plan.layout.recompute = Recompute::full;
  EXPECT_EQ(names_of(problem, plan, "prefetch"),
            (Names{"dense weights 0 layers ahead", "dense weights 1 layer ahead", "dense weights 2 layers ahead"}));
  EXPECT_EQ(names_of(problem, plan, "recompute"), (Names{"full", "communication_aware", "none"}));
  EXPECT_EQ(names_of(problem, plan, "pipeline stages"), Names{});  // stages keep gradients over microbatches
}

TEST(LayoutChoices, LeaveWhatIsFixedAndInferenceKnowsNoTrainingStates) {
  Problem problem = two_layers();
  problem.fixed.set(&Layout::zero, 0);
  problem.fixed.set(&Layout::pp, 1);
  problem.fixed.set(&Layout::tp, 1);
  problem.fixed.set(&Layout::expert_slices, 1);
  problem.fixed.set(&EmbeddingTable::embedding, Embedding::replicated);
  const Plan plan = plan_of(problem, {4, 2, 1});
  for (const LayoutDimension dimension : layout_dimensions()) EXPECT_TRUE(dimension(problem, plan).choices.empty());
  problem = two_layers();
  problem.workload.phase = WorkloadPhase::prefill;
  const Plan inference = plan_of(problem, {4, 2, 1});
  EXPECT_EQ(names_of(problem, inference, "training states"), Names{});
  EXPECT_EQ(names_of(problem, inference, "pipeline stages"), Names{});
}

// Whatever one step leads to can be lowered, also after a second step in any other dimension.
TEST(LayoutChoices, EveryPlanTwoStepsAwayCanBeLowered) {
  for (const WorkloadPhase phase : {WorkloadPhase::training, WorkloadPhase::decode}) {
    Problem problem = two_layers();
    problem.workload.phase = phase;
    int plans = 0;
    const std::function<void(const Plan&, int)> walk = [&](const Plan& plan, int steps) {
      check_plan(plan, "plan");
      EXPECT_FALSE(lower(plan).tasks.empty());
      ++plans;
      if (steps == 0) return;
      for (const LayoutDimension dimension : layout_dimensions())
        for (const Choice& choice : dimension(problem, plan).choices) {
          Plan next = plan;
          choice.apply(next);
          if (!same_decisions(next, plan)) walk(next, steps - 1);
        }
    };
    Plan spread = plan_of(problem, {4, 4, 1});  // over both nodes
    spread.dispatch.all_to_all = AllToAllKind::hierarchical_2d;
    spread.dispatch.chunks = phase == WorkloadPhase::training ? 8 : 4;
    walk(spread, 2);
    walk(plan_of(problem, {4, 2, 1}), 2);
    EXPECT_GT(plans, phase == WorkloadPhase::training ? 60 : 4);
  }
}

TEST(LayoutChoices, WhatDoesNotFitSaysSo) {
  Problem problem = tiny_problem();
  problem.cluster.device.memory_bytes = 11'000;  // 10.6 kB with ZeRO-1, 11.7 without
  Plan plan = plan_of(problem, {4, 4, 1});
  plan.layout.zero = 1;
  const DecisionSpace space = layout_dimensions().front()(problem, plan);
  ASSERT_EQ(space.choices.size(), 4u);
  EXPECT_NE(space.choices[0].refusal.find("the device has 11 kB"), std::string::npos) << space.choices[0].refusal;
  for (size_t i = 1; i < 4; ++i) EXPECT_EQ(space.choices[i].refusal, "");
}

}  // namespace
}  // namespace moesaic::planner
