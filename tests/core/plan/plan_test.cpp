#include "core/plan/plan.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/schema/error.h"
#include "tests/core/plan/sample_plan.h"

namespace moesaic {
namespace {

template <typename Change>
std::string refused_at(Change change) {
  Plan plan = testing::sample_plan();
  change(plan);
  try {
    check_plan(plan, "plan.json");
  } catch (const InputError& error) {
    return error.pointer();
  }
  return "accepted";
}

TEST(Plan, ContiguousPlacementNumbersTheSlots) {
  EXPECT_EQ(contiguous_placement(8, 4), (ExpertPlacement{2, {0, 1, 2, 3, 4, 5, 6, 7}}));
  EXPECT_THROW(contiguous_placement(8, 3), InvariantError);
}

TEST(Plan, LegalPlansPass) {
  EXPECT_EQ(refused_at([](Plan&) {}), "accepted");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.placement.clear(); }), "accepted");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.placement = {contiguous_placement(8, 4)}; }), "accepted");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.dispatch = {}; }), "accepted");
}

// The sample: 4 devices on 2 nodes, 4 ranks, ep 4, 2 microbatches, batch 16 of 128 tokens, 4 experts in halves in 8
// slots of 1 MoE layer.
TEST(Plan, IllegalPlansAreRefusedWhereTheyAreWrong) {
  EXPECT_EQ(refused_at([](Plan& plan) { plan.layout.ranks = 8; }), "/layout/ranks");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.layout.ranks = 0; }), "/layout");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.layout.ep = 3; }), "/layout/ep");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.layout.micro_batches = 3; }), "/layout");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.workload.global_batch = 12; }), "/layout");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.dispatch.capacity_factor = 0; }), "/dispatch/capacity_factor");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.dispatch.kind = DispatchKind::ragged; }), "/dispatch/capacity_factor");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.dispatch.chunks = 257; }), "/dispatch/chunks");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.dispatch.chunks = 0; }), "/dispatch/chunks");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.layout.ep = 2; }), "/dispatch/all_to_all");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.dispatch.all_to_all = AllToAllKind::node_limited; }),
            "/dispatch/all_to_all");  // padded
  EXPECT_EQ(refused_at([](Plan& plan) {
              plan.dispatch = {DispatchKind::ragged, 0, AllToAllKind::node_limited, 4};
            }),
            "accepted");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.placement.push_back(plan.placement[0]); }), "/placement");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.placement[0].slots_per_rank = 1; }), "/placement/0");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.placement[0].slot_to_expert[5] = 8; }), "/placement/0/slot_to_expert");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.placement[0].slot_to_expert = {0, 1, 2, 2, 2, 2, 1, 0}; }),
            "/placement/0/slot_to_expert");
  EXPECT_EQ(refused_at([](Plan& plan) {
              plan.placement.clear();
              plan.model.num_experts = 5;
            }),
            "/layout/ep");
  EXPECT_EQ(refused_at([](Plan& plan) {
              plan.routing.counts = {1, 1};
              plan.routing.num_iterations = plan.routing.num_moe_layers = plan.routing.num_sources = 1;
              plan.routing.num_experts = 2;
            }),
            "/documents/routing/counts");
}

// The sample's table [256, 16] is cut over 4 ranks.
TEST(Plan, ColumnsOfTheEmbeddingAreCutEvenlyInTrainingAndNotFromTheHead) {
  EXPECT_EQ(refused_at([](Plan& plan) { plan.model.hidden = 18; }), "/embedding");
  EXPECT_EQ(refused_at([](Plan& plan) {
              plan.layout.tp = 1, plan.elastic.sequences_per_rank = {1, 4, 2, 1};
            }),
            "/embedding");
  Plan plan = testing::sample_plan();
  plan.layout.recompute = Recompute::none;
  plan.layout.zero = 0;
  plan.fused_parameter_bytes = 0;
  plan.optimizer_passes = OptimizerPasses::fused;
  plan.prefetch = {};
  plan.expert_storage = {};
  EXPECT_NO_THROW(check_plan(plan, "plan.json"));
  plan.workload.phase = WorkloadPhase::prefill;
  EXPECT_THROW(check_plan(plan, "plan.json"), InputError);
  plan.embedding = Embedding::replicated;
  EXPECT_NO_THROW(check_plan(plan, "plan.json"));
}

// The sample has 2 heads, 2 devices per node and a dense FFN of width 32.
TEST(Plan, TensorParallelismDividesAllThatItCuts) {
  EXPECT_EQ(refused_at([](Plan& plan) { plan.layout.tp = 0; }), "/layout/tp");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.layout.tp = 4; }), "/layout/tp");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.model.num_heads = 3; }), "/layout/tp");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.model.num_kv_heads = 1; }), "/layout/tp");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.model.dense_intermediate = 31; }), "/layout/tp");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.elastic.sequences_per_rank = {3, 1, 2, 2}; }), "/layout/tp");
  EXPECT_EQ(refused_at([](Plan& plan) {
              plan.model.dense_intermediate = 31;
              plan.model.moe_layers = {true, true};
              plan.placement.clear();
            }),
            "accepted");
}

// 2 stages of 2 ranks.
TEST(Plan, PipelinesRefuseWhatBelongsToAllRanks) {
  const auto refused = [](const std::function<void(Plan&)>& edit) {
    return refused_at([&](Plan& plan) {
      plan.layout.pp = plan.layout.ep = 2;
      plan.placement.clear();
      plan.dispatch.all_to_all = AllToAllKind::flat;
      plan.layout.zero = 1;
      plan.fused_parameter_bytes = 0;
      plan.prefetch = {};
      plan.expert_storage = {};
      plan.embedding = Embedding::replicated;
      edit(plan);
    });
  };
  EXPECT_EQ(refused([](Plan&) {}), "accepted");
  EXPECT_EQ(refused([](Plan& plan) { plan.layout.pp = 0; }), "/layout/pp");
  EXPECT_EQ(refused([](Plan& plan) { plan.layout.pp = 3; }), "/layout/pp");
  EXPECT_EQ(refused([](Plan& plan) { plan.layout.pp = 4; }), "/layout/ep");  // one rank a stage
  EXPECT_EQ(refused([](Plan& plan) { plan.model.num_layers = 1; }), "/layout/pp");
  EXPECT_EQ(refused([](Plan& plan) { plan.layout.zero = 2; }), "/layout/pp");
  EXPECT_EQ(refused([](Plan& plan) { plan.embedding = Embedding::column_partition; }), "/layout/pp");
  EXPECT_EQ(refused([](Plan& plan) { plan.expert_storage.home = Tier::host; }), "/layout/pp");
  EXPECT_EQ(refused([](Plan& plan) {
              plan.layout.tp = 1, plan.elastic.sequences_per_rank = {1, 4, 2, 1};
            }),
            "/layout/pp");
}

TEST(Plan, SlicesDivideTheWidthOfExperts) {
  EXPECT_EQ(refused_at([](Plan& plan) { plan.layout.expert_slices = 0; }), "/layout/expert_slices");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.layout.expert_slices = 3; }), "/layout/expert_slices");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.layout.expert_slices = plan.model.expert_intermediate = 1 << 15; }),
            "/layout/expert_slices");
  EXPECT_EQ(refused_at([](Plan& plan) { plan.layout.expert_slices = 1; }), "/placement/0/slot_to_expert");
}

}  // namespace
}  // namespace moesaic
