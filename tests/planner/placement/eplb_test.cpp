#include "planner/placement/eplb.h"

#include <gtest/gtest.h>

namespace moesaic::planner {
namespace {

// The example of the README of deepseek-ai/EPLB: 2 layers, 12 experts, 16 replicas, 4 groups, 2 nodes, 8 GPUs.
const std::vector<std::vector<float>> kWeight = {{90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86},
                                                 {20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27}};
const std::vector<std::vector<int>> kPhysicalToLogical = {{5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1},
                                                          {7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1}};

TEST(Eplb, ReproducesTheExampleOfItsReadme) {
  const EplbMaps maps = rebalance_experts(kWeight, 16, {4, 2}, 8);
  EXPECT_EQ(maps.physical_to_logical, kPhysicalToLogical);
  EXPECT_EQ(maps.logical_count, (std::vector<std::vector<int>>{{1, 2, 1, 1, 2, 2, 1, 1, 1, 1, 2, 1},
                                                               {1, 2, 1, 1, 1, 2, 2, 1, 2, 1, 1, 1}}));
}

TEST(Eplb, InvertsItsMap) {
  const EplbMaps maps = rebalance_experts(kWeight, 16, {4, 2}, 8);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    for (int expert = 0; expert < 12; ++expert) {
      const std::vector<int>& slots = maps.logical_to_physical[layer][expert];
      ASSERT_EQ(slots.size(), 2U);  // the most replicas of any expert
      EXPECT_EQ(slots[1] >= 0 ? 2 : 1, maps.logical_count[layer][expert]);
      for (const int slot : slots) {
        if (slot < 0) continue;
        EXPECT_EQ(maps.physical_to_logical[layer][slot], expert);
      }
    }
  }
}

TEST(Eplb, AnswersAsAPolicy) {
  for (std::size_t layer = 0; layer < 2; ++layer) {
    const std::vector<double> tokens(kWeight[layer].begin(), kWeight[layer].end());
    const PlacementResult result = eplb({12, 8, 2, tokens, {}}, {4, 2});
    EXPECT_EQ(result.placement, (LayerPlacement{12, 8, 2, kPhysicalToLogical[layer]}));
  }
}

TEST(Eplb, PacksEqualItemsInOrder) {
  // Ties go to the earlier item and the first pack: 3(a)->0, 3(b)->1, 2->0 (3 = 3), 1->1.
  const EplbPacking packing = balanced_packing({3, 2, 3, 1}, 2);
  EXPECT_EQ(packing.pack_idx, (std::vector<int>{0, 0, 1, 1}));
  EXPECT_EQ(packing.rank_in_pack, (std::vector<int>{0, 1, 0, 1}));
}

TEST(Eplb, IgnoresTopologyWhenNodesDoNotDivideGroups) {
  EXPECT_EQ(rebalance_experts(kWeight, 16, {3, 2}, 8).physical_to_logical,
            rebalance_experts(kWeight, 16, {1, 1}, 8).physical_to_logical);
}

TEST(Eplb, RefusesWhatTheOriginalAsserts) {
  EXPECT_EQ(eplb_refusal(12, 16, {4, 2}, 8), "");
  EXPECT_EQ(eplb_refusal(12, 16, {5, 5}, 8), "EPLB needs num_groups to divide num_experts");
  EXPECT_EQ(eplb_refusal(12, 18, {4, 4}, 6), "EPLB needs num_nodes to divide num_ranks");
  EXPECT_EQ(eplb_refusal(256, 256, {1, 1}, 3), "EPLB needs num_ranks to divide num_replicas");
  EXPECT_EQ(eplb_refusal(12, 8, {4, 2}, 8), "EPLB needs a replica of every expert");
  EXPECT_EQ(eplb_refusal(12, 16, {0, 2}, 8), "EPLB needs at least one expert, group, node and rank");
}

TEST(Eplb, RefusesWhenItRepeatsAnExpertOnARank) {
  // One expert with all the rows takes all 4 spare slots: 5 replicas on 4 ranks.
  const PlacementRequest request{4, 4, 2, {8, 0, 0, 0}, {true}};
  EXPECT_EQ(eplb(request, {1, 1}).refusal.substr(0, 14), "EPLB: expert 0");
}

}  // namespace
}  // namespace moesaic::planner
