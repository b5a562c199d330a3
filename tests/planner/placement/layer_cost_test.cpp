// The formula against hand arithmetic, and the incremental loads against the formula.

#include "planner/placement/layer_cost.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"
#include "planner/placement/contiguous.h"
#include "planner/placement/layer_evaluation.h"
#include "planner/placement/rank_loads.h"
#include "tests/planner/placement/instances.h"

namespace moesaic::planner {
namespace {

TEST(LayerCost, AddsComputeAndPortsByHand) {
  // Ranks 0 and 1 on node 0, 2 and 3 on node 1; expert e on rank e; 8 rows to expert 0 and 4 to expert 2, evenly
  // sourced: every rank sends 2 rows to rank 0 and 1 row to rank 2. compute: rank 0 has 8 rows * 1 s + 10 s weight read
  // = 18 s. recv intra: rank 0 2 (from 1), rank 2 1 (from 3). recv inter: rank 0 4, rank 2 2. send intra: rank 1 2,
  // rank 3 1. send inter: ranks 0, 1: 1; ranks 2, 3: 2. Port: max(2 * 0.5, 4 * 3) = 12 s.
  const LayerPlacement placement{4, 4, 1, {0, 1, 2, 3}};
  const LayerCostModel model{1.0, 10.0, 0.5, 3.0, 2};
  const LayerSeconds seconds = layer_seconds(placement, even_sources({8, 0, 4, 0}, 4), model);
  EXPECT_EQ(seconds.compute, 18.0);
  EXPECT_EQ(seconds.dispatch, 12.0);
  EXPECT_EQ(seconds.combine, 12.0);
  EXPECT_EQ(seconds.total(), 42.0);
  EXPECT_EQ(RankLoads(placement, even_sources({8, 0, 4, 0}, 4), model).seconds(), 42.0);
}

TEST(LayerCost, ReplicasHalveRowsButReadWeightsTwice) {
  // Two ranks, both with experts 0 and 1: 4 + 1 rows and two weight reads each; half of each rank's 4 + 1 rows leave.
  const LayerCostModel model{1.0, 10.0, 2.0, 0.0, 2};
  const LayerSeconds seconds = layer_seconds({2, 2, 2, {0, 1, 0, 1}}, even_sources({8, 2}, 2), model);
  EXPECT_EQ(seconds.compute, 25.0);
  EXPECT_EQ(seconds.dispatch, 5.0);  // 2.5 rows * 2 s
}

TEST(LayerCost, KnowsWhereRowsComeFrom) {
  // All 6 rows of expert 1 start on rank 1, where it lives: no port carries anything. Placed on rank 0, all 6 travel.
  const LayerLoad load = measured_sources({0, 0, 0, 6}, 2);
  EXPECT_EQ(load.tokens, (std::vector<double>{0, 6}));
  const LayerCostModel model{0.0, 0.0, 1.0, 5.0, 1};
  EXPECT_EQ(layer_seconds({2, 2, 1, {0, 1}}, load, model).dispatch, 0.0);
  EXPECT_EQ(layer_seconds({2, 2, 1, {1, 0}}, load, model).dispatch, 30.0);
}

TEST(LayerCost, NoRowsTakeNoTime) {
  EXPECT_EQ(layer_seconds({2, 2, 1, {0, 1}}, even_sources({0, 0}, 2), mixed_model(1)).total(), 0.0);
  EXPECT_EQ(RankLoads({2, 2, 1, {0, 1}}, even_sources({0, 0}, 2), mixed_model(1)).seconds(), 0.0);
}

TEST(LayerCost, RefusesLoadsThatDoNotFit) {
  const LayerCostModel model = mixed_model(1);
  EXPECT_EQ(refusal_of(even_sources({1, 2}, 2), model, 2, 2), "");
  EXPECT_EQ(refusal_of(even_sources({1, 2}, 2), model, 2, 4), "source_rows must be [num_ranks, num_experts]");
  EXPECT_EQ(refusal_of({{3}, {1, 1}}, model, 1, 2), "source rows of expert 0 do not sum to its tokens");
  EXPECT_EQ(refusal_of({{0}, {1, -1}}, model, 1, 2), "source rows must be finite and not negative");
  EXPECT_EQ(refusal_of(even_sources({1}, 3), mixed_model(2), 1, 3),
            "ranks_per_node must divide the number of ranks or cover them all");
  EXPECT_EQ(refusal_of(even_sources({1}, 1), {-1.0}, 1, 1),
            "the seconds of the cost model must be finite and not negative");
  EXPECT_THROW(check(even_sources({1}, 3), mixed_model(2), 1, 3), InputError);
  EXPECT_NO_THROW(check(even_sources({1}, 3), mixed_model(3), 1, 3));
}

/// Everything that a caller can see of the loads.
std::vector<double> visible(const RankLoads& loads) {
  std::vector<double> seen{loads.seconds(), loads.spread()};
  for (int rank = 0; rank < loads.placement().num_ranks; ++rank) {
    seen.push_back(loads.compute_seconds(rank));
    seen.push_back(loads.port_seconds(rank));
  }
  return seen;
}

Move random_move(const LayerPlacement& placement, std::mt19937_64& random) {
  const int slot = static_cast<int>(random() % placement.num_slots());
  if (random() % 2 == 0) return {slot, static_cast<int>(random() % placement.num_slots()), -1};
  return {slot, -1, static_cast<int>(random() % placement.num_experts)};
}

/// Steps as tiles of 32 rows make them, and slopes between; beyond 128 rows in proportion.
SlotCurve steps() { return {{1, 32, 33, 64, 65, 128}, {9, 11, 19, 21, 30, 50}}; }

TEST(SlotSeconds, AreLinearBetweenPointsAndInProportionBeyond) {
  const LayerCostModel model{1.0, 10.0, 0.0, 0.0, 1, steps()};
  EXPECT_EQ(slot_seconds(model, 0), 0.0);
  EXPECT_EQ(slot_seconds(model, 0.5), 9.0);  // the weights are read for the first row
  EXPECT_EQ(slot_seconds(model, 32), 11.0);
  EXPECT_EQ(slot_seconds(model, 32.5), 15.0);  // half of the step from 11 to 19
  EXPECT_EQ(slot_seconds(model, 256), 100.0);  // twice the last point's 50
  EXPECT_EQ(slot_seconds({1.0, 10.0, 0.0, 0.0, 1, {}}, 4), 14.0);
}

TEST(SlotSeconds, RefuseACurveThatTurnsBack) {
  const LayerLoad load = even_sources({1}, 1);
  for (const SlotCurve& curve : {SlotCurve{{1, 1}, {1, 2}}, {{1, 2}, {2, 1}}, {{0, 1}, {1, 2}}, {{1}, {}}}) {
    EXPECT_EQ(refusal_of(load, {0, 0, 0, 0, 1, curve}, 1, 1),
              "a slot's curve must have ascending rows and seconds that do not descend");
  }
}

// Random placements, with experts that have several slots, by both forms of a slot's seconds.
TEST(LayerEvaluation, EqualsThePlainLoops) {
  std::mt19937_64 random(17);
  for (const auto& [ranks, slots, ranks_per_node] :
       {std::array{1, 40, 1}, {8, 6, 8}, {12, 4, 6}, {16, 3, 8}, {24, 2, 1}, {3, 14, 4}}) {
    for (const SlotCurve& curve : {SlotCurve{}, steps()}) {
      const LayerCostModel model{1.0, 7.0, 0.3, 0.9, ranks_per_node, curve};
      const LayerLoad load = random_sources(37, ranks, 5);
      LayerEvaluation evaluation(load, model, 37, ranks);
      LayerPlacement placement{37, ranks, slots, {}};
      for (int slot = 0; slot < ranks * slots; ++slot) placement.slot_to_expert.push_back(slot % 37);
      for (int i = 0; i < 50; ++i) {
        std::shuffle(placement.slot_to_expert.begin(), placement.slot_to_expert.end(), random);
        const LayerSeconds plain = layer_seconds(placement, load, model), fast = evaluation.seconds(placement);
        ASSERT_NEAR(fast.compute, plain.compute, 1e-12 * plain.compute);
        ASSERT_NEAR(fast.dispatch, plain.dispatch, 1e-12 * plain.dispatch);
        ASSERT_EQ(fast.combine, fast.dispatch);
        int& any = placement.slot_to_expert[random() % placement.slot_to_expert.size()];
        if (replica_counts(placement)[any] > 1) any = static_cast<int>(random() % 37);
      }
    }
  }
}

class RankLoadsAfterMoves : public ::testing::TestWithParam<SmallShape> {};

TEST_P(RankLoadsAfterMoves, EqualTheFullEvaluation) {
  // The small shape scaled to 8 times the ranks, so that nodes have 8 times the ranks and paths differ.
  const SmallShape& small = GetParam();
  const SmallShape shape{small.num_experts * 8, small.num_ranks * 8, small.slots_per_rank, small.ranks_per_node * 8,
                         small.distinct_on_rank};
  const LayerLoad load = random_sources(shape.num_experts, shape.num_ranks, 3);
  LayerCostModel model = mixed_model(shape.ranks_per_node);
  if (shape.slots_per_rank == 3) model.slot_curve = steps();  // both forms of a slot's seconds
  LayerPlacement start = unfilled(request_of(shape, load.tokens));
  for (int slot = 0; slot < start.num_slots(); ++slot) start.slot_to_expert[slot] = slot % shape.num_experts;
  RankLoads loads(start, load, model);
  std::mt19937_64 random(7);
  int made = 0;
  for (int i = 0; i < 2000; ++i) {
    const Move move = random_move(loads.placement(), random);
    if (!loads.allowed(move, {shape.distinct_on_rank})) continue;
    const LayerPlacement before = loads.placement();
    const std::vector<double> seen_before = visible(loads);
    const double priced = move.other_slot >= 0 ? loads.seconds_after(move) : -1.0;
    ASSERT_EQ(visible(loads), seen_before);  // nothing was made
    const Move back = loads.apply(move);
    ASSERT_NE(loads.placement(), before);
    if (move.other_slot >= 0) {
      ASSERT_EQ(priced, loads.seconds());  // bit for bit
    }
    ASSERT_EQ(visible(loads), visible(RankLoads(loads.placement(), load, model)));  // bit for bit
    const double full = layer_seconds(loads.placement(), load, model).total();
    ASSERT_NEAR(loads.seconds(), full, 1e-12 * full);
    if (++made % 2 == 0) continue;
    loads.apply(back);
    ASSERT_EQ(loads.placement(), before);
    ASSERT_EQ(visible(loads), seen_before);
  }
  EXPECT_GT(made, 100);
}

// Without spare slots only exchanges are allowed; kSmallShapes has both kinds.
INSTANTIATE_TEST_SUITE_P(Shapes, RankLoadsAfterMoves, ::testing::ValuesIn(kSmallShapes));

TEST(RankLoads, AllowsOnlyMovesThatKeepAValidPlacement) {
  const RankLoads loads({3, 2, 2, {0, 1, 1, 2}}, even_sources({1, 1, 1}, 2), mixed_model(2));
  EXPECT_FALSE(loads.allowed({0, 1, -1}, {}));      // same rank
  EXPECT_FALSE(loads.allowed({1, 2, -1}, {}));      // same expert
  EXPECT_FALSE(loads.allowed({0, -1, 2}, {}));      // the last replica of expert 0
  EXPECT_TRUE(loads.allowed({1, -1, 0}, {}));       // rank 0 holds expert 0 twice
  EXPECT_FALSE(loads.allowed({1, -1, 0}, {true}));  // which the rule forbids
  EXPECT_TRUE(loads.allowed({0, 2, -1}, {}));
  EXPECT_FALSE(loads.allowed({0, 2, -1}, {true}));  // rank 0 would hold expert 1 twice
  EXPECT_TRUE(loads.allowed({0, 3, -1}, {true}));
}

}  // namespace
}  // namespace moesaic::planner
