#include "planner/bounds/least_rows.h"

#include <gtest/gtest.h>

namespace moesaic::planner {
namespace {

/// Two sources, four experts, one slot each: two per rank.
SlotCounts counts() {
  SlotCounts counts(2, 2, 2);
  const int64_t rows[2][4] = {{5, 1, 3, 1}, {4, 0, 2, 4}};
  for (int source = 0; source < 2; ++source)
    for (int expert = 0; expert < 4; ++expert) counts.at(source, expert) = rows[source][expert];
  return counts;
}

// 10 rows from each source; experts receive 9, 1, 5, 5 of 20. Each source keeps its two largest: 5 + 3 and 4 + 4, so 2
// rows leave each. Ranks of one node keep all.
TEST(LeastRows, AreThoseThatNoPlacementSaves) {
  const LeastRows least = least_rows(counts(), 2, 2);
  EXPECT_EQ(least.total, 20);
  EXPECT_EQ(least.sent, 10);
  EXPECT_EQ(least.mean_received, 10);
  EXPECT_EQ(least.received, 10);  // the hottest expert has 9
  EXPECT_EQ(least.most_in_slot, 9);
  EXPECT_EQ(least.leave_rank, 2);
  EXPECT_EQ(least.leave_node, 0);
}

// Three slots per rank are six, two more than experts: the hottest may have three slots of 3 rows.
TEST(LeastRows, AreFewerWithReplicas) {
  const LeastRows least = least_rows(counts(), 3, 1);
  EXPECT_EQ(least.received, 10);
  EXPECT_EQ(least.leave_rank, (1 + 0) / 2.0);  // 5, 3, 1 stay of the first, 4, 4, 2 of the second
}

// All rows for one expert: its rank computes them all, unless a spare slot takes half.
TEST(LeastRows, FollowTheHottestExpert) {
  SlotCounts hot(2, 2, 1);
  hot.at(0, 0) = hot.at(1, 0) = 8;
  EXPECT_EQ(least_rows(hot, 1, 1).received, 16);
  EXPECT_EQ(least_rows(hot, 2, 1).received, 8);  // 16 rows over 1 + 2 slots, or the mean of 8
}

}  // namespace
}  // namespace moesaic::planner
