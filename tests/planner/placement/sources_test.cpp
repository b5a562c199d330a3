// Who sends to whom, as placement sees it: from recordings by source, over groups, copies and slices.

#include <gtest/gtest.h>

#include "planner/placement/policies.h"
#include "tests/core/graph/tiny_plan.h"
#include "tests/planner/placement/instances.h"

namespace moesaic::planner {
namespace {

/// Rows that a layer sends from one node to another.
double rows_between_nodes(const ExpertPlacement& placement, const LayerLoad& load, int num_experts,
                          int ranks_per_node) {
  const int ranks = static_cast<int>(placement.slot_to_expert.size()) / placement.slots_per_rank;
  const LayerPlacement layer{num_experts, ranks, placement.slots_per_rank, placement.slot_to_expert};
  const std::vector<int> counts = replica_counts(layer);
  double rows = 0;
  for (int slot = 0; slot < layer.num_slots(); ++slot)
    for (int source = 0; source < ranks; ++source)
      if (source / ranks_per_node != layer.rank_of(slot) / ranks_per_node)
        rows +=
            load.source_rows[source * num_experts + layer.slot_to_expert[slot]] / counts[layer.slot_to_expert[slot]];
  return rows;
}

/// 4 ranks on 2 nodes of 2, 8 experts, one layer, one iteration: [source, expert].
Plan recorded_plan(const std::vector<int64_t>& counts) {
  Plan plan = moesaic::testing::tiny_plan(4, 4);
  plan.model.num_experts = 8;
  plan.cluster.device = {"device", 1'000'000'000, 1e11, 1e12, 2e12, false};
  plan.cluster.intra_node = {1e10, 1e-6};
  plan.cluster.nic = {1e8, 3e-6};
  plan.workload.phase = WorkloadPhase::prefill;
  plan.workload.global_batch = 64, plan.workload.sequence_length = 16;  // 256 tokens a rank, 512 rows
  plan.routing.name = "recorded";
  plan.routing.counts = counts;
  plan.routing.num_iterations = plan.routing.num_moe_layers = 1;
  plan.routing.num_sources = 4, plan.routing.num_experts = 8;
  return plan;
}

/// The sources of node 0 send 9 rows in 10 to the even experts, those of node 1 to the odd ones; 512 rows a source.
std::vector<int64_t> halves() {
  std::vector<int64_t> counts;
  for (int source = 0; source < 4; ++source)
    for (int expert = 0; expert < 8; ++expert) counts.push_back(expert % 2 == source / 2 ? 115 : 13);
  return counts;
}

TEST(LayerLoads, KeepTheSourcesOfARecording) {
  const Plan plan = recorded_plan(halves());
  const LayerLoad load = layer_load(plan, routing_of(plan), 0);
  const std::vector<int64_t> counts = halves();
  EXPECT_EQ(load.source_rows, std::vector<double>(counts.begin(), counts.end()));
  EXPECT_EQ(load.tokens, std::vector<double>(8, 2 * 115 + 2 * 13));
}

// 2 groups of 2 ranks: position 0 is ranks 0 and 2, the mean of 115 and 13 rows.
TEST(LayerLoads, AreTheMeanOverGroups) {
  Plan plan = recorded_plan(halves());
  plan.layout.ep = 2;
  const LayerLoad load = layer_load(plan, routing_of(plan), 0);
  EXPECT_EQ(load.source_rows, std::vector<double>(16, 64));
}

TEST(LayerLoads, CountSlicesAsExperts) {
  Plan plan = recorded_plan(halves());
  plan.layout.expert_slices = 2;
  const LayerLoad load = layer_load(plan, routing_of(plan), 0);
  ASSERT_EQ(load.tokens.size(), 16U);
  for (int slice = 0; slice < 16; ++slice) EXPECT_EQ(load.source_rows[slice], slice / 2 % 2 == 0 ? 115 : 13);
}

TEST(LayerLoads, OfASampledGeneratorAreItsExpectation) {
  Plan plan = recorded_plan({});
  plan.routing = {};
  plan.routing.generator = {1.0, 7, true};
  const LayerLoad load = layer_load(plan, routing_of(plan), 0);
  for (int expert = 0; expert < 8; ++expert)
    for (int source = 0; source < 4; ++source)
      EXPECT_DOUBLE_EQ(load.source_rows[source * 8 + expert], load.tokens[expert] / 4);
}

// All experts have 256 rows, so that balance says nothing: contiguous and EPLB send half of all 2048 rows between
// nodes, 1024. With the even experts on node 0, 2 sources * 4 experts * 13 rows leave each node: 208.
TEST(Policies, OnlyTheLocalSearchPutsExpertsNearTheirSources) {
  const Plan plan = recorded_plan(halves());
  const LayerLoad load = layer_load(plan, routing_of(plan), 0);
  const auto crossing = [&](const char* policy) {
    const PlacedLayers placed = place_layers(plan, policy, 1);
    EXPECT_EQ(placed.refusal, "") << policy;
    return rows_between_nodes(placed.layers.front(), load, 8, 2);
  };
  EXPECT_EQ(crossing("contiguous"), 1024);
  EXPECT_EQ(crossing("eplb"), 1024);
  EXPECT_EQ(crossing("local_search"), 208);
}

}  // namespace
}  // namespace moesaic::planner
