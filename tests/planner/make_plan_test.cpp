#include "planner/make_plan.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/schema/error.h"
#include "core/schema/hash.h"
#include "tests/planner/known_prices.h"

namespace moesaic::planner {
namespace {

using testing::for_every_plan;
using testing::KnownPrices;
using testing::tiny_problem;

/// Every decision has its own term, so that one decision after another reaches the optimum: ep 4, 2 microbatches,
/// not flat, 4 chunks, buckets of 16 MB, any placement but the contiguous one: 10 seconds.
double separable(const Plan& plan) {
  const bool contiguous = plan.placement.empty() || plan.placement[0] == contiguous_placement(4, plan.layout.ep);
  return 10 + 2 * std::abs(std::log2(plan.layout.ep) - 2) + std::abs(std::log2(plan.layout.micro_batches) - 1) +
         (plan.dispatch.all_to_all == AllToAllKind::flat ? 0.25 : 0) + 0.125 * std::abs(plan.dispatch.chunks - 4) +
         (plan.gradient_bucket_bytes == 16'000'000 ? 0 : 0.5) + (contiguous ? 0.0625 : 0);
}

/// Prices without any structure, few enough that ties are common.
double rugged(const Plan& plan, uint64_t seed) {
  uint64_t hash = splitmix64(seed);
  const auto mix = [&](int64_t value) { hash = splitmix64(hash ^ static_cast<uint64_t>(value)); };
  for (const int64_t value :
       {int64_t{plan.layout.ep}, int64_t{plan.layout.micro_batches}, static_cast<int64_t>(plan.dispatch.all_to_all),
        int64_t{plan.dispatch.chunks}, plan.gradient_bucket_bytes})
    mix(value);
  for (const ExpertPlacement& layer : plan.placement)
    for (const int expert : layer.slot_to_expert) mix(expert);
  return 1 + static_cast<double>(hash % 40);
}

TEST(MakePlan, FindsTheOptimumOfSeparablePrices) {
  double least = 1e9;
  int64_t plans = 0;
  for_every_plan(tiny_problem(), [&](const Plan& plan) { least = std::min(least, separable(plan)), ++plans; });
  KnownPrices prices(separable);
  Problem problem = tiny_problem();
  problem.effort = 60;  // the default; of 1869 plans of the enumerated layouts alone
  const PlanResult result = make_plan(problem, prices);
  ASSERT_TRUE(result.feasible);
  EXPECT_EQ(plans, 1869);
  EXPECT_EQ(least, 10);
  EXPECT_EQ(result.evaluation.prediction.step_seconds, 10);
  EXPECT_EQ(result.plan.layout, (Layout{4, 4, 2}));
  EXPECT_EQ(result.plan.dispatch, (Dispatch{DispatchKind::ragged, 0, AllToAllKind::hierarchical_2d, 4}));
  EXPECT_EQ(result.plan.gradient_bucket_bytes, 16'000'000);
}

/// The plan of a baseline: a layout, contiguous, flat, one chunk, this bucket.
Plan baseline(const Problem& problem, const Layout& layout, Bytes bucket) {
  Plan plan = baseline_plan(problem, layout);
  plan.placement = {contiguous_placement(4, layout.ep)};
  plan.gradient_bucket_bytes = bucket;
  return plan;
}

TEST(MakePlan, IsNeverSlowerThanTheBaselines) {
  const Problem problem = tiny_problem();
  for (uint64_t seed = 0; seed < 20; ++seed) {
    KnownPrices prices([seed](const Plan& plan) { return rugged(plan, seed); });
    const PlanResult result = make_plan(problem, prices);
    Layout best;
    double least = 1e9;
    for (const LayoutCandidate& candidate : enumerate_layouts(problem)) {
      const double seconds = rugged(baseline(problem, candidate.layout, 0), seed);
      EXPECT_LE(result.plan.prediction.step_seconds, seconds);
      if (seconds < least) least = seconds, best = candidate.layout;
    }
    // DeepSpeed: 5e8 elements of 4 bytes. Megatron: 40e6 elements.
    for (const Bytes bucket : {2'000'000'000, 160'000'000})
      EXPECT_LE(result.plan.prediction.step_seconds, rugged(baseline(problem, best, bucket), seed));
  }
}

// Every decision that a plan reports is the one that it holds, and its prediction is its own price, also where the
// effort ends in the middle of a decision.
TEST(MakePlan, ReportsWhatItDecided) {
  for (uint64_t seed = 0; seed < 10; ++seed)
    for (const int64_t effort : {9, 12, 15, 20, 27, 40, 100}) {
      Problem problem = tiny_problem();
      problem.effort = effort;
      KnownPrices prices([seed](const Plan& plan) { return rugged(plan, seed); });
      const Plan plan = make_plan(problem, prices).plan;
      EXPECT_EQ(plan.prediction.step_seconds, rugged(plan, seed));
      for (const Decision& decision : plan.decisions) EXPECT_NE(decision.choice, "") << decision.what;
      for (const DecisionSpace& space : decision_spaces(problem, plan))
        for (const Decision& decision : plan.decisions) {
          if (decision.what != space.what) continue;
          const auto chosen = std::find_if(space.choices.begin(), space.choices.end(), [&](const Choice& choice) {
            return decision.choice == choice.name || decision.choice == choice.name + " (the effort was spent)";
          });
          ASSERT_NE(chosen, space.choices.end()) << decision.choice;
          Plan again = plan;
          chosen->apply(again);
          EXPECT_EQ(again, plan) << decision.what << ": " << decision.choice << ", effort " << effort;
        }
    }
}

// Nine layouts, and of the first what each decision has besides the baseline that stands: ZeRO-1 to 3, tp 2, the
// embedding in columns, 1 all-to-all, 6 buckets, 4 placements beside a fifth that EPLB refuses, 3 numbers of chunks. Of
// two layers, also two stages with 2, 4 or 8 microbatches.
TEST(MakePlan, KeepsTheFirstBaselineUntilSomethingIsFaster) {
  KnownPrices prices([](const Plan&) { return 1.0; });
  Problem problem = tiny_problem();
  problem.effort = 9 + 3 + 1 + 1 + 2 + 6 + 4 + 3;
  const Plan plan = make_plan(problem, prices).plan;
  EXPECT_EQ(prices.asked, problem.effort);
  std::vector<std::pair<std::string, std::string>> decisions;
  std::vector<size_t> runners_up;
  for (const Decision& decision : plan.decisions) {
    decisions.emplace_back(decision.what, decision.choice);
    runners_up.push_back(decision.runners_up.size());
  }
  EXPECT_EQ(decisions,
            (std::vector<std::pair<std::string, std::string>>{{"layout", "4 ranks, ep 4, 1 microbatch"},
                                                              {"training states", "whole on every rank"},
                                                              {"tensor parallelism", "tp 1"},
                                                              {"embedding", "replicated"},
                                                              {"all-to-all", "flat"},
                                                              {"gradient buckets", "one collective per gradient"},
                                                              {"expert placement", "contiguous"},
                                                              {"chunks", "1 chunk"}}));
  EXPECT_EQ(runners_up, (std::vector<size_t>{8, 3, 1, 1, 2, 6, 5, 3}));
}

// What only ZeRO-1 makes fast is found where ZeRO-0 fits, and so are stages, with microbatches that the nine layouts
// of one stage do not have: 16 sequences over the 2 ranks of a stage.
TEST(MakePlan, TriesEveryDimensionOfTheLayout) {
  Problem problem = tiny_problem();
  problem.effort = 60;
  KnownPrices divided([](const Plan& plan) { return plan.layout.zero == 1 ? 1.0 : 2.0; });
  EXPECT_EQ(make_plan(problem, divided).plan.layout.zero, 1);
  problem.model.num_layers = 2;
  problem.model.moe_layers.assign(2, true);
  KnownPrices staged([](const Plan& plan) { return 1.0 / (plan.layout.pp * plan.layout.micro_batches); });
  const Layout layout = make_plan(problem, staged).plan.layout;
  EXPECT_EQ(layout.pp, 2);
  EXPECT_EQ(layout.micro_batches, 8);
}

// Descents go on from layout to layout, and no plan is asked for twice.
TEST(MakePlan, SpendsTheEffort) {
  Problem problem = tiny_problem();
  problem.effort = 200;
  KnownPrices prices([](const Plan& plan) { return rugged(plan, 1); });
  const Plan plan = make_plan(problem, prices).plan;
  EXPECT_EQ(prices.asked, 200);
  EXPECT_EQ(plan.evaluations, 200);
}

// Two experts spread over two ranks of a node at most; their slices over all four, on both nodes. There the fixed
// all-to-all takes hold, although flat would be faster.
TEST(MakePlan, AFixedDecisionHoldsWhereverTheLayoutGoes) {
  Problem problem = tiny_problem();
  problem.effort = 100;
  problem.model.num_experts = 2;
  problem.fixed.set(&Dispatch::all_to_all, AllToAllKind::hierarchical_2d);
  KnownPrices prices([](const Plan& plan) {
    return 4.0 / plan.layout.ep +
           (plan.dispatch.all_to_all == AllToAllKind::flat ? 0.5 : 1) / plan.layout.expert_slices;
  });
  const Plan plan = make_plan(problem, prices).plan;
  EXPECT_EQ(plan.layout.ep, 4);
  EXPECT_EQ(plan.dispatch.all_to_all, AllToAllKind::hierarchical_2d);
  for (const Decision& decision : plan.decisions) EXPECT_NE(decision.choice, "") << decision.what;
}

// 16 sequences of 4 tokens: 8 chunks of 16, 8 or 4 tokens per rank with 1, 2 or 4 microbatches; the last has too few.
TEST(MakePlan, LayoutsThatCannotHoldWhatIsFixedAreLeftOut) {
  Problem problem = tiny_problem();
  problem.fixed.set(&Dispatch::chunks, 8);
  KnownPrices prices(separable);
  const PlanResult result = make_plan(problem, prices);
  ASSERT_TRUE(result.feasible);
  EXPECT_EQ(result.plan.dispatch.chunks, 8);
  EXPECT_LE(result.plan.layout.micro_batches, 2);
  int64_t left_out = 0;
  for (const Alternative& layout : result.plan.decisions[0].runners_up)
    left_out += layout.reason.find("8 chunks of 4 tokens") != std::string::npos;
  EXPECT_EQ(left_out, 3);  // ep 4, 2 and 1
}

TEST(MakePlan, TheSameProblemGivesTheSamePlan) {
  KnownPrices a([](const Plan&plan) { return rugged(plan, 3); }), b(a);
  EXPECT_EQ(make_plan(tiny_problem(), a).plan, make_plan(tiny_problem(), b).plan);
}

TEST(MakePlan, MoreEffortIsNeverWorseAndIsCounted) {
  for (uint64_t seed = 0; seed < 3; ++seed) {
    double before = 1e9;
    for (int64_t effort = 1; effort <= 60; ++effort) {
      Problem problem = tiny_problem();
      problem.effort = effort;
      KnownPrices prices([seed](const Plan& plan) { return rugged(plan, seed); });
      const Plan plan = make_plan(problem, prices).plan;
      EXPECT_EQ(plan.evaluations, prices.asked);
      EXPECT_LE(plan.evaluations, effort);
      if (effort <= 15) {  // 9 layouts and the first decisions of the best
        EXPECT_EQ(plan.evaluations, effort);
      }
      EXPECT_LE(plan.prediction.step_seconds, before);
      before = plan.prediction.step_seconds;
    }
  }
}

/// An evaluator for which nothing fits.
class NothingFits : public Evaluator {
 public:
  std::vector<Evaluation> evaluate(std::span<const Plan> plans) override {
    std::vector<Evaluation> evaluations(plans.size());
    for (Evaluation& evaluation : evaluations) evaluation.feasible = false, evaluation.reason = "activations";
    return evaluations;
  }
};

TEST(MakePlan, ALayoutThatWasNotEvaluatedSaysSo) {
  Problem problem = tiny_problem();
  problem.effort = 8;
  KnownPrices prices(separable);
  const Plan plan = make_plan(problem, prices).plan;
  ASSERT_FALSE(plan.decisions.empty());
  int64_t dropped = 0;
  for (const Alternative& layout : plan.decisions[0].runners_up) dropped += layout.reason.starts_with("not evaluated");
  EXPECT_EQ(dropped, 1);
  problem.effort = 0;
  const PlanResult none = make_plan(problem, prices);
  EXPECT_FALSE(none.feasible);
  EXPECT_FALSE(none.complete);
  // 9 layouts, 3 ways to need less for each, 2 ways without host memory and storage
  EXPECT_EQ(none.refused.size(), 38u);
  EXPECT_EQ(none.needed_effort, 36);
  problem.effort = 36;
  NothingFits nothing;
  EXPECT_TRUE(make_plan(problem, nothing).complete);
}

TEST(MakePlan, StopsWithTheBestSoFar) {
  Problem problem = tiny_problem();
  KnownPrices prices(separable);
  problem.stop = [&] { return prices.asked >= 12; };
  const PlanResult result = make_plan(problem, prices);
  EXPECT_TRUE(result.feasible);
  EXPECT_TRUE(result.plan.interrupted);
  EXPECT_LT(prices.asked, 20);
  EXPECT_LE(result.plan.prediction.step_seconds, separable(baseline(problem, {4, 4, 2}, 0)));
  problem.stop = [] { return false; };
  EXPECT_FALSE(make_plan(problem, prices).plan.interrupted);
}

TEST(MakePlan, ProgressEndsAtTheEvaluationsAndTheBest) {
  Problem problem = tiny_problem();
  int64_t last = 0;
  double best = 0;
  problem.progress = [&](int64_t done, int64_t, double seconds) { last = done, best = seconds; };
  KnownPrices prices(separable);
  const Plan plan = make_plan(problem, prices).plan;
  EXPECT_EQ(last, plan.evaluations);
  EXPECT_EQ(best, plan.prediction.step_seconds);
}

// Nine layouts, each of them with ZeRO-1, and with dense tensors cut over the two ranks of a node too; then each with
// five ways to need less, of which the first layout's refusal is told where it is new (ZeRO-1 is not): 27 + 4.
TEST(MakePlan, InfeasibleNamesTheMemoryOfEveryLayout) {
  Problem problem = tiny_problem();
  problem.cluster.device.memory_bytes = 1000;
  KnownPrices prices(separable);
  const PlanResult result = make_plan(problem, prices);
  EXPECT_FALSE(result.feasible);
  EXPECT_EQ(prices.asked, 0);
  EXPECT_TRUE(result.complete);
  ASSERT_EQ(result.refused.size(), 31u);
  for (size_t i = 0; i < 27; ++i)
    EXPECT_EQ(result.refused[i].refusal.limit, "parameters, gradients and optimizer state do not fit");
}

TEST(MakePlan, InfeasiblePassesOnTheEvaluatorsReason) {
  NothingFits evaluator;
  const PlanResult result = make_plan(tiny_problem(), evaluator);
  EXPECT_FALSE(result.feasible);
  ASSERT_EQ(result.refused.size(),
            38u);  // 9 layouts, 3 ways to need less for each, 2 ways without host memory and storage
  EXPECT_EQ(result.refused[0].layout, "4 ranks, ep 4, 1 microbatch");
  EXPECT_EQ(result.refused[0].refusal.reason, "activations");
}

// One rank: nothing can be divided. Its states take 16 bytes per weight; the experts' gradients alone stay on the
// device while they are drained, so that host memory lifts what recompute does not.
TEST(MakePlan, MovesExpertsWhereNothingElseFits) {
  Problem problem = tiny_problem();
  problem.ranks = 1;
  problem.cluster.host_memory_bytes = 1'000'000;
  KnownPrices prices(separable);
  const Plan roomy = make_plan(problem, prices).plan;
  EXPECT_EQ(roomy.expert_storage.home, Tier::device);
  problem.cluster.device.memory_bytes = 10'000;  // 464 dense and 1024 expert weights: 23.8 kB of states
  const PlanResult tight = make_plan(problem, prices);
  ASSERT_TRUE(tight.feasible);
  EXPECT_EQ(tight.plan.expert_storage.home, Tier::host);
  EXPECT_NE(tight.plan.decisions[0].choice.find("recompute, experts in host memory"), std::string::npos);
  check_plan(tight.plan, "test");
}

// The 9 layouts and the ways to need less take more than 12 evaluations: what is left might fit.
TEST(MakePlan, SpentEffortIsNoProofThatNothingFits) {
  for (const int64_t effort : {3, 9, 12}) {
    Problem problem = tiny_problem();
    problem.effort = effort;
    NothingFits evaluator;
    const PlanResult result = make_plan(problem, evaluator);
    EXPECT_FALSE(result.feasible);
    EXPECT_FALSE(result.complete) << effort;
    EXPECT_EQ(result.needed_effort, 36);
  }
  NothingFits evaluator;
  EXPECT_TRUE(make_plan(tiny_problem(), evaluator).complete);
}

TEST(MakePlan, AStopEndsTheEnumerationAfterOneLayout) {
  Problem problem = tiny_problem();
  problem.stop = [] { return true; };
  for (const LayoutCandidate& candidate : enumerate_layouts(problem))
    EXPECT_EQ(candidate.refusal.empty(), (candidate.layout == Layout{4, 4, 1}));
  problem.cluster.device.memory_bytes = 1000;
  KnownPrices prices(separable);
  const PlanResult result = make_plan(problem, prices);
  EXPECT_FALSE(result.feasible);
  EXPECT_FALSE(result.complete);
}

TEST(MakePlan, FixedDecisionsStand) {
  Problem problem = tiny_problem();
  problem.fixed.set(&Layout::ep, 2);
  problem.fixed.set(&Layout::micro_batches, 4);
  problem.fixed.set(&Dispatch::chunks, 2);
  problem.fixed.set(&Buckets::gradient_bucket_bytes, 12345);
  problem.fixed.placement = "contiguous";
  problem.fixed.set(&Dispatch::kind, DispatchKind::padded);
  problem.fixed.set(&Dispatch::capacity_factor, 1.5);
  problem.fixed.set(&Dispatch::all_to_all, AllToAllKind::flat);
  problem.fixed.set(&Layout::zero, 0);
  problem.fixed.set(&Layout::tp, 1);
  problem.fixed.set(&Layout::pp, 1);
  problem.fixed.set(&EmbeddingTable::embedding, Embedding::replicated);
  KnownPrices prices(separable);
  const Plan plan = make_plan(problem, prices).plan;
  EXPECT_EQ(plan.layout, (Layout{4, 2, 4}));
  EXPECT_EQ(plan.dispatch, (Dispatch{DispatchKind::padded, 1.5, AllToAllKind::flat, 2}));
  EXPECT_EQ(plan.gradient_bucket_bytes, 12345);
  EXPECT_EQ(plan.placement, (std::vector<ExpertPlacement>{contiguous_placement(4, 2)}));
  EXPECT_EQ(prices.asked, 1);
}

}  // namespace
}  // namespace moesaic::planner
