// contiguous and lpt: literal placements, bounds against the exhaustive best, refusals.

#include <gtest/gtest.h>

#include "core/schema/error.h"
#include "planner/placement/contiguous.h"
#include "planner/placement/eplb.h"
#include "planner/placement/lpt.h"
#include "planner/placement/replication.h"
#include "tests/planner/placement/instances.h"

namespace moesaic::planner {
namespace {

TEST(Contiguous, PutsConsecutiveExpertsOnConsecutiveRanks) {
  const PlacementResult result = contiguous({4, 2, 2, {1, 1, 1, 1}, {}});
  EXPECT_EQ(result.placement, (LayerPlacement{4, 2, 2, {0, 1, 2, 3}}));
}

TEST(Contiguous, RepeatsTheExpertsOfTheNextRanks) {
  // Three ranks with two experts each; the third slot of rank r takes the first expert of rank r + 1.
  const PlacementResult result = contiguous({6, 3, 3, std::vector<double>(6, 1.0), {true}});
  EXPECT_EQ(result.placement, (LayerPlacement{6, 3, 3, {0, 1, 2, 2, 3, 4, 4, 5, 0}}));
}

TEST(Contiguous, RefusesRanksThatDoNotDivideExperts) {
  const PlacementRequest request{5, 2, 3, std::vector<double>(5, 1.0), {}};
  const PlacementResult result = contiguous(request);
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.refusal, "contiguous placement needs num_ranks to divide num_experts: 5 experts on 2 ranks");
  EXPECT_NO_THROW(check(request));  // the request itself is fine: lpt serves it
  EXPECT_EQ(invalid_reason(lpt(request).placement), "");
}

TEST(Request, RefusesWhatNoPolicyCanServe) {
  const PlacementRequest crowded{5, 2, 2, std::vector<double>(5, 1.0), {}};
  for (const PlacementResult& result : {contiguous(crowded), lpt(crowded), eplb(crowded, {})}) {
    EXPECT_EQ(result.refusal, "5 experts do not fit 4 slots");
  }
  EXPECT_THROW(check(crowded), InputError);
  EXPECT_EQ(refusal_of({2, 2, 3, {1, 1}, {true}}), "3 slots per rank cannot hold distinct ones of 2 experts");
  EXPECT_EQ(refusal_of({2, 2, 3, {1, 1}, {false}}), "");
  EXPECT_EQ(refusal_of({2, 2, 1, {1}, {}}), "one token count per expert is needed");
  EXPECT_EQ(refusal_of({2, 2, 1, {1, -1}, {}}), "token counts must be finite and not negative");
  EXPECT_EQ(refusal_of({2, 0, 1, {1, 1}, {}}), "experts, ranks and slots per rank must be at least 1");
}

TEST(Replicate, GivesSpareSlotsToTheHottestReplica) {
  // 12, 5, 1 rows in 6 slots: 12 -> 6+6, then 6 -> 4+4+4, then 5 -> 2.5+2.5.
  EXPECT_EQ(replicate({12, 5, 1}, 6, 6), (std::vector<int>{3, 2, 1}));
  EXPECT_EQ(replicate({12, 5, 1}, 6, 2), (std::vector<int>{2, 2, 2}));
  EXPECT_EQ(replicate({0, 0, 0}, 5, 5), (std::vector<int>{2, 2, 1}));  // no rows: fewest replicas, then lowest index
}

TEST(Lpt, PacksTheHeaviestFirst) {
  // 9 -> rank 0, 7 -> rank 1, 5 -> rank 1 (7 < 9; now 12 and full), 1 -> rank 0 (the only free slot).
  EXPECT_EQ(lpt({4, 2, 2, {5, 9, 1, 7}, {}}).placement, (LayerPlacement{4, 2, 2, {1, 2, 3, 0}}));
}

TEST(Lpt, KeepsReplicasApartByAnExchange) {
  // Replicas {2, 2, 3, 2}. Expert 2 goes to every rank; 0 and 1 fill ranks 0 and 1; 3 goes to rank 2, and its second
  // replica finds only rank 2 open: expert 0 of rank 0 makes room.
  const PlacementResult result = lpt({4, 3, 3, {0, 0, 8, 0}, {true}});
  EXPECT_EQ(result.placement, (LayerPlacement{4, 3, 3, {2, 3, 1, 2, 0, 1, 2, 3, 0}}));
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const PlacementRequest request{7, 5, 4, random_tokens(7, seed), {true}};
    ASSERT_EQ(invalid_reason(lpt(request).placement, {true}), "") << "seed " << seed;
  }
}

// Graham's (4P-1)/(3P) holds with at most three slots per rank; the best is over placements of the same replicas.
TEST(Lpt, StaysWithinFourThirdsOfTheBestForItsReplicas) {
  for (const auto& [num_experts, num_ranks, slots_per_rank] : {std::array{4, 2, 3}, {6, 2, 3}, {6, 3, 2}, {6, 3, 3}}) {
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      const PlacementRequest request{num_experts, num_ranks, slots_per_rank, random_tokens(num_experts, seed), {}};
      const LayerPlacement greedy = lpt(request).placement;
      const auto hottest = [&](const LayerPlacement& placement) {
        const std::vector<double> rows = rank_rows(placement, request.tokens);
        return *std::max_element(rows.begin(), rows.end());
      };
      double best = hottest(greedy);
      for_each_placement(request, [&](const LayerPlacement& placement) {
        if (replica_counts(placement) == replica_counts(greedy)) best = std::min(best, hottest(placement));
      });
      EXPECT_LE(hottest(greedy), (4.0 * num_ranks - 1) / (3.0 * num_ranks) * best + 1e-9) << "seed " << seed;
    }
  }
}

TEST(Policies, ServeDegenerateLoads) {
  for (const std::vector<double>& tokens : {std::vector<double>{0, 0, 0, 0}, {100, 0, 0, 0}}) {
    const PlacementRequest request{4, 2, 4, tokens, {}};  // twice as many slots as experts
    for (const PlacementResult& result : {contiguous(request), lpt(request), eplb(request, {2, 2})}) {
      ASSERT_TRUE(result.ok()) << result.refusal;
      EXPECT_EQ(invalid_reason(result.placement), "");
    }
  }
  // 100 rows to one expert, 5 replicas of 20 rows: lpt puts 3 on rank 0, 2 on rank 1; mean 50 / max 60.
  EXPECT_DOUBLE_EQ(balancedness(lpt({4, 2, 4, {100, 0, 0, 0}, {}}).placement, {100, 0, 0, 0}), 50.0 / 60.0);
}

}  // namespace
}  // namespace moesaic::planner
