#include "core/routing/routing_rules.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"

namespace moesaic {
namespace {

/// One slot per rank, two nodes of two; source s sends 10 s + d + 1 rows to rank d:
///   0: 1 2 3 4    1: 11 12 13 14    2: 21 22 23 24    3: 31 32 33 34
SlotCounts two_by_two() {
  SlotCounts counts(4, 1);
  for (int s = 0; s < 4; ++s)
    for (int d = 0; d < 4; ++d) counts.at(s, d) = 10 * s + d + 1;
  return counts;
}

/// Rows of every pair of one leg, [from][to].
std::vector<std::vector<int64_t>> pairs(const SlotCounts& counts, Leg leg, const std::vector<int>& group) {
  std::vector<std::vector<int64_t>> rows;
  for (const int from : group) {
    rows.emplace_back();
    for (const int to : group) rows.back().push_back(counts.leg_rows(leg, from, to, 2));
  }
  return rows;
}

using Rows2 = std::vector<std::vector<int64_t>>;

TEST(SlotCounts, FlatLegs) {
  const SlotCounts counts = two_by_two();
  EXPECT_EQ(counts.leg_rows(Leg::dispatch, 1, 2, 2), 13);
  EXPECT_EQ(counts.leg_rows(Leg::combine, 2, 1, 2), 13);
  EXPECT_EQ(counts.sent(1), 11 + 12 + 13 + 14);
  EXPECT_EQ(counts.received(1), 2 + 12 + 22 + 32);
}

// Inside node 0 all rows of a source for local rank r' of any node: 0 -> 0: 1 + 3, 0 -> 1: 2 + 4, 1 -> 0: 11 + 13,
// 1 -> 1: 12 + 14. The way back swaps the ends.
TEST(SlotCounts, LegsInsideTheNode) {
  EXPECT_EQ(pairs(two_by_two(), Leg::intra_out, {0, 1}), (Rows2{{4, 6}, {24, 26}}));
  EXPECT_EQ(pairs(two_by_two(), Leg::intra_back, {0, 1}), (Rows2{{4, 24}, {6, 26}}));
}

// Along rail 0 all rows of a node for one rank: node 0 for 0: 1 + 11, for 2: 3 + 13; node 1 for 0: 21 + 31, for 2:
// 23 + 33. Along rail 1: 2 + 12, 4 + 14; 22 + 32, 24 + 34.
TEST(SlotCounts, LegsBetweenNodes) {
  EXPECT_EQ(pairs(two_by_two(), Leg::inter_out, {0, 2}), (Rows2{{12, 16}, {52, 56}}));
  EXPECT_EQ(pairs(two_by_two(), Leg::inter_out, {1, 3}), (Rows2{{14, 18}, {54, 58}}));
  EXPECT_EQ(pairs(two_by_two(), Leg::inter_back, {0, 2}), (Rows2{{12, 52}, {16, 56}}));
}

// Rank 0 relays what node 0 has for local rank 0: 1 + 3 + 11 + 13, as it arrives (4 + 24) and as it leaves (12 + 16).
TEST(SlotCounts, ARelayPassesOnWhatArrives) {
  EXPECT_EQ(two_by_two().relayed(0, 2), 28);
  EXPECT_EQ(two_by_two().relayed(3, 2), 22 + 24 + 32 + 34);
}

// Along rail 0: what 0 has once for its own node, 2, and for node 1, 5; what 2 has once for node 0, 22, and for its
// own,
// 25. The places are those of all rows: of 0 for ranks 0 and 1, 1 + 2, and for 2 and 3, 3 + 4; of 2, 21 + 22 and 23
// + 24. Inside node 0, rank 0 sends on what ranks 0 and 2 have for each: 1 + 21 for itself, 2 + 22 for rank 1; rank 1
// what 1 and 3 have: 11 + 31, 12 + 32.
TEST(SlotCounts, LegsOfRowsThatGoToANodeOnce) {
  SlotCounts counts = two_by_two();
  counts.set_once({2, 5, 12, 15, 22, 25, 32, 35});
  EXPECT_EQ(pairs(counts, Leg::once_out, {0, 2}), (Rows2{{2, 5}, {22, 25}}));
  EXPECT_EQ(pairs(counts, Leg::places_out, {0, 2}), (Rows2{{3, 7}, {43, 47}}));
  EXPECT_EQ(pairs(counts, Leg::fan_out, {0, 1}), (Rows2{{22, 24}, {42, 44}}));
  EXPECT_EQ(counts.rows(Rows::once_sent, 3, 2), 32 + 35);
  EXPECT_EQ(counts.rows(Rows::once_received, 3, 2), 15 + 35);
  EXPECT_EQ(counts.rows(Rows::fanned, 0, 2), 22 + 24);
  EXPECT_EQ(counts.received(0), 22 + 42);
}

TEST(SlotCounts, NobodyCountsRowsOncePerNodeUnasked) { EXPECT_THROW(two_by_two().once(0, 0), InvariantError); }

TEST(SlotCounts, EveryLegCarriesAllRows) {
  constexpr int kNodes = 3, kLocal = 4, kRanks = kNodes * kLocal;
  SlotCounts counts(kRanks, 2);
  int64_t total = 0;
  for (int s = 0; s < kRanks; ++s)
    for (int slot = 0; slot < 2 * kRanks; ++slot) total += counts.at(s, slot) = (s * 37 + slot * 101) % 23;
  for (const Leg leg :
       {Leg::dispatch, Leg::combine, Leg::intra_out, Leg::intra_back, Leg::inter_out, Leg::inter_back}) {
    const bool intra = leg == Leg::intra_out || leg == Leg::intra_back;
    const bool inter = leg == Leg::inter_out || leg == Leg::inter_back;
    int64_t carried = 0;
    for (int from = 0; from < kRanks; ++from)
      for (int to = 0; to < kRanks; ++to) {
        if (intra && from / kLocal != to / kLocal) continue;
        if (inter && from % kLocal != to % kLocal) continue;
        carried += counts.leg_rows(leg, from, to, kLocal);
      }
    EXPECT_EQ(carried, total);
  }
  int64_t relayed = 0;
  for (int rank = 0; rank < kRanks; ++rank) relayed += counts.relayed(rank, kLocal);
  EXPECT_EQ(relayed, total);
}

TEST(SlotCounts, NoLegMovesNothing) { EXPECT_THROW(two_by_two().leg_rows(Leg::none, 0, 1, 2), InvariantError); }

// Expert 0 has slots 0, 2 and 3, expert 1 slot 1. 7 rows over three replicas: floor(7/3) = 2, floor(14/3) - 2 = 2, 3.
// 2 rows: 0, 1, 1.
TEST(SlotCounts, ReplicasShareTheRowsOfEachSource) {
  const SlotCounts counts = split_over_slots({7, 5, 2, 0}, 2, 2, {2, {0, 1, 0, 0}});
  const auto row = [&](int source) {
    return std::vector<int64_t>{counts.at(source, 0), counts.at(source, 1), counts.at(source, 2), counts.at(source, 3)};
  };
  EXPECT_EQ(row(0), (std::vector<int64_t>{2, 5, 2, 3}));
  EXPECT_EQ(row(1), (std::vector<int64_t>{0, 0, 1, 1}));
  EXPECT_EQ(counts.slot_rows(0), (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(counts.slot_rows(1), (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(counts.between(0, 1), 5);
}

TEST(SlotCounts, ChunksSumToTheWholeAndDifferByOne) {
  for (const int64_t rows : {0, 1, 7, 64, 1000003})
    for (const int chunks : {1, 2, 3, 8, 64, 1000}) {
      int64_t sum = 0;
      for (int c = 0; c < chunks; ++c) {
        const int64_t share = chunk_share(rows, c, chunks);
        EXPECT_TRUE(share == rows / chunks || share == rows / chunks + 1);
        sum += share;
      }
      EXPECT_EQ(sum, rows);
    }
}

// 1.25 * 16 * 2 / 4 = 10; 1.25 * 5 * 2 / 4 = 3.125 -> 4; never none.
TEST(SlotCounts, CapacityRoundsUp) {
  EXPECT_EQ(capacity_rows(1.25, 16, 2, 4), 10);
  EXPECT_EQ(capacity_rows(1.25, 5, 2, 4), 4);
  EXPECT_EQ(capacity_rows(0.01, 1, 1, 64), 1);
}

}  // namespace
}  // namespace moesaic
