#include "planner/bounds/path_bound.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "planner/layout/enumerate.h"
#include "planner/placement/policies.h"
#include "simulator/simgrid_evaluator.h"
#include "tests/planner/random_plans.h"

namespace moesaic::planner {
namespace {

/// Half of the plans with experts placed by a policy, some of them with up to two slots per rank for replicas.
Plan placed_at_random(std::mt19937& random, Plan plan) {
  if (random() % 2 == 0 || plan.layout.ep == 1) return plan;
  const PlacedLayers placed =
      place_layers(plan, random() % 2 == 0 ? "lpt" : "local_search", 1, static_cast<int>(random() % 3));
  Plan with_placement = plan;
  with_placement.placement = placed.layers;
  return placed.refusal.empty() && can_be_lowered(with_placement) ? with_placement : plan;
}

/// Bounds of plans drawn at random over their simulated times. --gtest_random_seed draws others (./run soak bounds).
std::vector<double> reached(const testing::RandomPlans& drawn, int number, uint32_t seed) {
  std::mt19937 random(seed + static_cast<uint32_t>(::testing::UnitTest::GetInstance()->random_seed()));
  std::vector<Plan> plans;
  for (int i = 0; i < number; ++i) plans.push_back(placed_at_random(random, drawn.draw(random)));
  const std::vector<Evaluation> simulated = simulator::SimgridEvaluator(2).evaluate(plans);
  std::vector<double> shares;
  for (size_t i = 0; i < plans.size(); ++i) {
    const Seconds bound = PathBound(plans[i]).of(plans[i], {plans[i].dispatch.chunks, replica_slots(plans[i])});
    shares.push_back(bound / simulated[i].prediction.step_seconds);
    EXPECT_LE(shares.back(), 1) << plans[i].name << ", " << describe(plans[i].layout) << ", "
                                << describe(plans[i].dispatch) << ": " << bound << " s";
  }
  return shares;
}

// No legal plan is faster than the bound of its layout. A bound of nothing would be as valid: half of the plans drawn
// take at most twice theirs.
TEST(PathBound, NoPlanIsFasterUnderUniformRouting) {
  std::vector<double> shares = reached({}, 100, 31);
  std::sort(shares.begin(), shares.end());
  EXPECT_GT(shares[50], 0.5);
}
TEST(PathBound, NoPlanIsFasterUnderSkewedRouting) { reached({.routing = "zipf-0.8"}, 100, 32); }
TEST(PathBound, NoPlanIsFasterUnderMuchSkewOrWithExpertsInHostMemory) {
  reached({.routing = "zipf-1.2", .offload = true}, 100, 33);
}

// What one layer leaves to one rank, another layer leaves to others.
TEST(PathBound, NoPlanIsFasterUnderRecordedRouting) { reached({.routing = "recorded"}, 60, 34); }

// A rank that computes everything by itself has nothing to wait for; what it may cut into pieces counts at the best
// price per row.
TEST(PathBound, IsReachedWhereThereIsNoChoice) {
  std::mt19937 random(5);
  Plan plan = testing::RandomPlans().draw(random);
  static_cast<PlanChoices&>(plan) = PlanChoices();
  plan.workload.phase = WorkloadPhase::training;
  plan.workload.global_batch = 4, plan.workload.sequence_length = 512;
  const Seconds simulated = simulator::SimgridEvaluator(1).evaluate({&plan, 1})[0].prediction.step_seconds;
  const Seconds bound = PathBound(plan).of(plan, {});
  EXPECT_LE(bound, simulated);
  EXPECT_GT(bound, 0.95 * simulated);
}

}  // namespace
}  // namespace moesaic::planner
