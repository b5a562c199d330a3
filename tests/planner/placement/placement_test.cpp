#include "planner/placement/placement.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"

namespace moesaic::planner {
namespace {

// Rank 0 holds experts 0 and 1, rank 1 holds 1 and 2.
const LayerPlacement kTwoRanks{3, 2, 2, {0, 1, 1, 2}};

TEST(Placement, MapsExpertsToSlots) {
  EXPECT_EQ(invalid_reason(kTwoRanks, {true}), "");
  EXPECT_NO_THROW(check(kTwoRanks, {true}));
  EXPECT_EQ(expert_to_slots(kTwoRanks), (std::vector<std::vector<int>>{{0}, {1, 2}, {3}}));
  EXPECT_EQ(replica_counts(kTwoRanks), (std::vector<int>{1, 2, 1}));
}

TEST(Placement, SplitsRowsEvenlyOverReplicas) {
  // Expert 1: 6 rows, 3 on each rank. Rank 0: 10 + 3 = 13, rank 1: 3 + 2 = 5. mean 9 / max 13.
  EXPECT_EQ(rank_rows(kTwoRanks, {10, 6, 2}), (std::vector<double>{13, 5}));
  EXPECT_DOUBLE_EQ(balancedness(kTwoRanks, {10, 6, 2}), 9.0 / 13.0);
}

TEST(Placement, BalancednessOfExtremes) {
  EXPECT_EQ(balancedness(kTwoRanks, {0, 0, 0}), 1.0);  // no rows
  EXPECT_EQ(balancedness(kTwoRanks, {8, 0, 0}), 0.5);  // all rows on one of two ranks
  EXPECT_EQ(balancedness(kTwoRanks, {0, 8, 0}), 1.0);  // all rows to the expert with a replica on each rank
}

TEST(Placement, NamesWhatIsInvalid) {
  EXPECT_EQ(invalid_reason({0, 2, 2, {}}), "experts, ranks and slots per rank must be at least 1");
  EXPECT_EQ(invalid_reason({3, 2, 2, {0, 1, 2}}), "slot_to_expert has 3 entries, not 4");
  EXPECT_EQ(invalid_reason({3, 2, 2, {0, 1, 2, 3}}), "expert 3 does not exist");
  EXPECT_EQ(invalid_reason({3, 2, 2, {0, 1, -1, 2}}), "expert -1 does not exist");
  EXPECT_EQ(invalid_reason({3, 2, 2, {0, 1, 0, 1}}), "expert 2 has no slot");
  EXPECT_EQ(invalid_reason({3, 2, 2, {0, 0, 1, 2}}), "");
  EXPECT_EQ(invalid_reason({3, 2, 2, {0, 0, 1, 2}}, {true}), "expert 0 fills two slots of rank 0");
  EXPECT_THROW(check(LayerPlacement{3, 2, 2, {0, 1, 0, 1}}), InputError);
}

}  // namespace
}  // namespace moesaic::planner
