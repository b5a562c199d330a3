#include "core/routing/live_routing.h"

#include <gtest/gtest.h>

#include "core/routing/recorded_routing.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using testing::tiny_plan;

/// 4 ranks in two groups of 2, 4 experts (0 and 1 on even ranks), 4 tokens of 2 choices on each rank. Group 0 never
/// chooses expert 3, group 1 never expert 0.
Plan recorded_plan() {
  Plan plan = tiny_plan(4, 2);
  plan.routing.counts = {1, 2, 5, 0, /**/ 5, 1, 2, 0, /**/ 0, 2, 3, 3, /**/ 0, 1, 4, 3};
  plan.routing.num_iterations = plan.routing.num_moe_layers = 1;
  plan.routing.num_sources = plan.routing.num_experts = 4;
  return plan;
}

/// What the ranks [first, first + count) would announce in one chunk: [count, num_experts].
std::vector<int32_t> announced(const Plan& plan, int first, int count) {
  return {plan.routing.counts.begin() + first * 4, plan.routing.counts.begin() + (first + count) * 4};
}

/// All rows by source and slot.
std::vector<int64_t> table_of(const SlotCounts& counts) {
  std::vector<int64_t> rows;
  for (int source = 0; source < counts.num_sources(); ++source)
    for (int slot = 0; slot < counts.num_ranks() * counts.slots_per_rank(); ++slot)
      rows.push_back(counts.at(source, slot));
  return rows;
}

TEST(LiveRouting, BindsWhatARecordingOfTheSameCountsBinds) {
  for (const bool padded : {false, true})
    for (const int slices : {1, 2}) {
      Plan plan = recorded_plan();
      plan.layout.expert_slices = slices;
      plan.dispatch = {padded ? DispatchKind::padded : DispatchKind::ragged, padded ? 1.5 : 0, AllToAllKind::flat, 1};
      const RecordedRouting recorded(plan);
      for (int rank = 0; rank < 4; ++rank) {
        LiveRouting live(plan, rank);
        live.start_step();
        EXPECT_TRUE(live.counts(0, 0).empty());
        live.announce(0, 0, announced(plan, rank / 2 * 2, 2).data());
        ASSERT_EQ(live.counts(0, 0).size(), 1u);
        EXPECT_EQ(table_of(live.counts(0, 0)[0]), table_of(recorded.counts(0, 0, rank, 0, 1)));
        EXPECT_EQ(live.slots(Rows::active_slots, 0, 0), recorded.slots(Rows::active_slots, 0, 0, rank));
      }
    }
}

// Pairs of ranks with the same 8 tokens are one source: rank 0's recording stands for ranks 0 and 1, rank 2's for 2 and
// 3. Experts 0 and 1 on even ranks: of 1, 2, 5, 0 and 0, 2, 3, 3 rows these have 1, 2 and 0, 2.
TEST(LiveRouting, RanksWithTheSameTokensAreOneSource) {
  Plan plan = recorded_plan();
  plan.layout.ep = 4;
  plan.layout.tp = 2;
  plan.layout.tp_tokens = GroupTokens::replicated;
  plan.dispatch.exchange = ExpertExchange::all_gather;
  plan.placement = {{2, {0, 1, 2, 3, 0, 1, 2, 3}}};
  const RecordedRouting recorded(plan);
  const SlotCounts& counts = recorded.counts(0, 0, 3, 0, 1);
  EXPECT_EQ(counts.num_sources(), 2);
  // Two replicas of each expert: the first has the smaller half.
  EXPECT_EQ(table_of(counts), (std::vector<int64_t>{1, 2, 5, 0, 1, 2, 5, 0, /**/ 0, 2, 3, 3, 0, 2, 3, 3}));
  std::vector<int32_t> of_sources = {2, 4, 10, 0, /**/ 0, 4, 6, 6};
  for (int rank = 0; rank < 4; ++rank) {
    LiveRouting live(plan, rank);
    live.start_step();
    live.announce(0, 0, of_sources.data());
    EXPECT_EQ(table_of(live.counts(0, 0)[0]), table_of(counts));
    EXPECT_EQ(live.expert_rows(), rank < 2 ? (std::vector<int64_t>{2, 4, 10, 0}) : (std::vector<int64_t>{0, 4, 6, 6}));
  }
}

// Rank 2 holds experts 0 and 1. Its group sends them 0 + 0 and 2 + 1 rows; with group 0, expert 0 is used as well.
TEST(LiveRouting, AStageUsesMoreSlotsThanAGroup) {
  const Plan plan = recorded_plan();
  LiveRouting live(plan, 2);
  live.start_step();
  live.announce(0, 0, announced(plan, 2, 2).data());
  EXPECT_EQ(live.slots(Rows::active_slots, 0, 0), std::vector<int>{1});
  EXPECT_EQ(live.slots(Rows::used_slots, 0, 0), std::vector<int>{1});
  const std::vector<int> layers = {0};
  live.announce_stage(0, layers, announced(plan, 0, 4).data());
  EXPECT_EQ(live.slots(Rows::active_slots, 0, 0), std::vector<int>{1});
  EXPECT_EQ(live.slots(Rows::used_slots, 0, 0), (std::vector<int>{0, 1}));
  EXPECT_EQ(live.slots(Rows::used_slots, 0, 0), RecordedRouting(plan).slots(Rows::used_slots, 0, 0, 2));
}

// Expert 0 has no rows, expert 3 one in all, of the second group: both of its replicas are used, on all ranks that have
// one.
TEST(RecordedRouting, AnExpertIsUsedWhereverItHasRows) {
  Plan plan = recorded_plan();
  plan.routing.counts = {0, 2, 5, 0, /**/ 0, 1, 2, 0, /**/ 0, 2, 3, 1, /**/ 0, 1, 4, 0};
  plan.placement = {{3, {0, 1, 3, /**/ 2, 3, 0}}};
  const RecordedRouting recorded(plan);
  for (const int rank : {0, 2}) EXPECT_EQ(recorded.slots(Rows::used_slots, 0, 0, rank), (std::vector<int>{1, 2}));
  for (const int rank : {1, 3}) EXPECT_EQ(recorded.slots(Rows::used_slots, 0, 0, rank), (std::vector<int>{0, 1}));
}

// Two chunks of rank 1 (the second source of its group): 3 + 2, 1 + 0, 0 + 2, 0 + 0 rows. A step forgets the one
// before.
TEST(LiveRouting, KeepsWhatTheRankItselfHasChosen) {
  Plan plan = recorded_plan();
  plan.dispatch.chunks = 2;
  LiveRouting live(plan, 1);
  const std::vector<int32_t> counts = {1, 1, 3, 0, 0, 1, 2, 0, /**/ 3, 1, 0, 0, 2, 0, 2, 0};
  for (int step = 0; step < 2; ++step) {
    live.start_step();
    live.announce(0, 0, counts.data());
    EXPECT_EQ(live.expert_rows(), (std::vector<int64_t>{5, 1, 2, 0}));
    ASSERT_EQ(live.counts(0, 0).size(), 2u);
    EXPECT_EQ(table_of(live.counts(0, 0)[1]), (std::vector<int64_t>{0, 1, 2, 0, 2, 0, 2, 0}));
  }
}

}  // namespace
}  // namespace moesaic
