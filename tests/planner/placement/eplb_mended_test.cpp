// Where EPLB wastes slots, and what becomes of them; loads that were recorded on one rank; groups that nodes don't
// divide.

#include "planner/placement/eplb_mended.h"

#include <gtest/gtest.h>

#include <cmath>

#include "planner/placement/idle_experts.h"
#include "planner/placement/local_search.h"
#include "planner/placement/lpt.h"
#include "planner/placement/policies.h"
#include "tests/core/graph/tiny_plan.h"
#include "tests/planner/placement/instances.h"

namespace moesaic::planner {
namespace {

int repeated_slots(const LayerPlacement& placement) {
  int repeated = 0;
  for (int slot = 0; slot < placement.num_slots(); ++slot)
    for (int other = placement.rank_of(slot) * placement.slots_per_rank; other < slot; ++other)
      if (placement.slot_to_expert[other] == placement.slot_to_expert[slot]) {
        ++repeated;
        break;
      }
  return repeated;
}

/// Rows of the hottest rank, with the slots that repeat an expert of their rank or without them.
double hottest_rank(const LayerPlacement& placement, const std::vector<double>& tokens, bool with_repetitions) {
  std::vector<std::vector<int>> experts(placement.num_ranks);
  std::vector<int> counts(placement.num_experts, 0);
  for (int slot = 0; slot < placement.num_slots(); ++slot) {
    const int expert = placement.slot_to_expert[slot];
    std::vector<int>& here = experts[placement.rank_of(slot)];
    if (!with_repetitions && std::find(here.begin(), here.end(), expert) != here.end()) continue;
    here.push_back(expert);
    ++counts[expert];
  }
  double hottest = 0;
  for (const std::vector<int>& here : experts) {
    double rows = 0;
    for (const int expert : here) rows += tokens[expert] / counts[expert];
    hottest = std::max(hottest, rows);
  }
  return hottest;
}

// Second layer of the example of EPLB's README, 4 groups on 2 nodes of 4 GPUs: nothing is repeated, nothing is mended.
TEST(MendedEplb, LeavesAPlacementWithoutRepetitionAsItIs) {
  const std::vector<double> tokens = {20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27};
  const MendedEplb mended = eplb_mended({12, 8, 2, tokens, {true}}, {4, 2});
  EXPECT_EQ(mended.mended_slots, 0);
  EXPECT_EQ(mended.placed.placement.slot_to_expert,
            (std::vector<int>{7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1}));
}

// 4 experts, 8 rows all to expert 0, 8 slots on 4 ranks. EPLB: 5 replicas of expert 0 (1.6 rows each); heaviest first
// into the lightest rank: ranks 0 to 3, then rank 0 again; experts 1, 2, 3 fill ranks 1, 2, 3. The second slot of rank
// 0 goes to the hottest that it lacks: all of 0 rows, so expert 1.
TEST(MendedEplb, GivesAWastedSlotToTheNextHottest) {
  const PlacementRequest request{4, 4, 2, {8, 0, 0, 0}, {true}};
  EXPECT_EQ(eplb({4, 4, 2, request.tokens, {}}, {1, 1}).placement.slot_to_expert,
            (std::vector<int>{0, 0, 0, 1, 0, 2, 0, 3}));
  const MendedEplb mended = eplb_mended(request, {1, 1});
  EXPECT_EQ(mended.mended_slots, 1);
  EXPECT_EQ(mended.placed.placement.slot_to_expert, (std::vector<int>{0, 1, 0, 1, 0, 2, 0, 3}));
  // Where one expert has rows too, it is the next hottest.
  EXPECT_EQ(eplb_mended({4, 4, 2, {80, 0, 0, 1}, {true}}, {1, 1}).placed.placement.slot_to_expert[1], 3);
  EXPECT_EQ(eplb_mended({4, 4, 2, request.tokens, {}}, {1, 1}).mended_slots, 0);  // repeating is allowed
}

// 256 experts and 32 spare slots, 16 groups, 2 nodes, 32 GPUs, rows by Zipf laws: whatever EPLB repeats is counted, and
// mended no expert is repeated nor lost, and the hottest rank is no hotter than EPLB's, with its repetitions or
// without.
TEST(MendedEplb, MendsTheSizeOfProduction) {
  int repeating = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<double> tokens;
    for (int expert = 0; expert < 256; ++expert) tokens.push_back(std::floor(1e6 / std::pow(expert + 1, 1.2)));
    std::shuffle(tokens.begin(), tokens.end(), random);
    const PlacementRequest request{256, 32, 9, tokens, {true}};
    const LayerPlacement published = eplb({256, 32, 9, tokens, {}}, {16, 2}).placement;
    const MendedEplb mended = eplb_mended(request, {16, 2});
    ASSERT_TRUE(mended.placed.ok()) << mended.placed.refusal;
    EXPECT_EQ(mended.mended_slots, repeated_slots(published));
    EXPECT_EQ(invalid_reason(mended.placed.placement, {true}), "");
    EXPECT_EQ(invalid_reason(lpt(request).placement, {true}), "");  // our own never repeat one
    const double hottest = std::max(hottest_rank(published, tokens, true), hottest_rank(published, tokens, false));
    EXPECT_LE(hottest_rank(mended.placed.placement, tokens, true),
              1.01 * hottest);  // where even the coolest expert is too much
    repeating += mended.mended_slots > 0 ? 1 : 0;
  }
  EXPECT_GT(repeating, 0);
}

// Loads that someone recorded on one of 16 ranks: its 16 experts got rows, the 240 others none.
std::vector<double> one_rank_of_sixteen() {
  std::vector<double> tokens = {162554, 147879, 102827, 108924, 46123, 505540, 98864,  184719,
                                322237, 128708, 117722, 118096, 73528, 245469, 119943, 69937};
  tokens.resize(256, 0.0);
  return tokens;
}

TEST(Policies, KeepASlotForExpertsWithoutRows) {
  for (const auto& [ranks, slots] : {std::pair{8, 36}, {32, 9}}) {
    const PlacementRequest request{256, ranks, slots, one_rank_of_sixteen(), {true}};
    const LayerLoad load = even_sources(request.tokens, ranks);
    const MendedEplb mended = eplb_mended(request, {8, ranks / 8});
    const SearchResult searched =
        local_search(lpt(request).placement, load, mixed_model(8), {1, 20'000, 30, 4, request.rules});
    for (const LayerPlacement& placement : {lpt(request).placement, mended.placed.placement, searched.placement}) {
      EXPECT_EQ(invalid_reason(placement, request.rules), "");  // every expert has a slot
      EXPECT_TRUE(std::isfinite(layer_seconds(placement, load, mixed_model(8)).total()));
      EXPECT_GT(balancedness(placement, request.tokens), 0.0);
    }
  }
}

TEST(Policies, SayThatExpertsGotNoRows) {
  RoutingDocument routing;
  routing.name = "one rank";
  routing.num_iterations = routing.num_moe_layers = routing.num_sources = 1;
  routing.num_experts = 256;
  for (const double rows : one_rank_of_sixteen()) routing.counts.push_back(static_cast<int64_t>(rows));
  EXPECT_EQ(
      idle_experts_remark(routing),
      "240 of 256 experts got no rows in MoE layer 0 of the routing one rank: was it recorded on all ranks, and long "
      "enough?");
  routing.counts.assign(256, 1);
  EXPECT_EQ(idle_experts_remark(routing), "");
  EXPECT_EQ(idle_experts_remark({}), "");  // a generator
}

// 8 groups on 9 nodes of 8, and on 2 nodes of 6 whose ranks do not divide 256: EPLB falls back to global and says so;
// the local search answers both.
TEST(Policies, SayWhereEplbIsBlindToNodes) {
  Plan plan = moesaic::testing::tiny_plan(72, 72);
  plan.model.num_experts = 256, plan.model.top_k = 8, plan.model.expert_groups = 8, plan.model.groups_per_token = 4;
  plan.cluster.num_nodes = 9, plan.cluster.devices_per_node = 8;
  plan.cluster.device = {"device", 1'000'000'000, 1e11, 1e12, 2e12, false};
  plan.cluster.intra_node = {1e10, 1e-6};
  plan.cluster.nic = {1e9, 3e-6};
  plan.workload.phase = WorkloadPhase::prefill;
  plan.workload.global_batch = 72;
  plan.routing.generator = {1.0, 3, false};
  const PlacedLayers eplb = place_layers(plan, "eplb", 1);
  EXPECT_EQ(eplb.refusal, "");
  EXPECT_NE(eplb.remark.find("blind to the 9 nodes, which do not divide 8 groups of experts"), std::string::npos)
      << eplb.remark;
  const PlacedLayers searched = place_layers(plan, "local_search", 1);
  EXPECT_EQ(searched.refusal, "");
  EXPECT_EQ(searched.remark, "");
  EXPECT_EQ(invalid_reason({256, 72, 4, searched.layers.front().slot_to_expert}, {true}), "");
}

}  // namespace
}  // namespace moesaic::planner
