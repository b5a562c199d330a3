// Layouts that cut tensors or run tasks again compute what one rank computes: the same losses over several steps and,
// logical tensor by logical tensor, the same gradients.
#include <gtest/gtest.h>

#include <numeric>

#include "tests/executor/runtime/training/like_one_rank.h"

namespace moesaic::executor {
namespace {

using testing::corpus;
using testing::expect_like_one_rank;
using testing::four_losses;
using testing::gradients;
using testing::Tensors;

/// 1 MoE layer between 2 dense ones, 4 heads, 4 experts, top 2, 2 microbatches of 8 sequences of 8 tokens; one node
/// unless `per_node` says otherwise.
Plan layout_plan(int ranks, int ep, int per_node = 8) {
  per_node = std::min(ranks, per_node);
  Plan plan = testing::unchecked_plan_of(ranks / per_node, per_node, ep);
  Model& m = plan.model;
  m.hidden = 16;
  m.num_heads = m.num_kv_heads = 4;
  m.head_dim = 4;
  m.num_experts = 4;
  m.expert_intermediate = m.dense_intermediate = 24;
  m.moe_layers = {false, true, false};
  plan.workload.sequence_length = 8;
  return plan;
}

Plan layout(int ranks, int ep, int tp, int slices, Recompute recompute = Recompute::none) {
  Plan plan = layout_plan(ranks, ep);
  plan.layout.tp = tp;
  plan.layout.expert_slices = slices;
  plan.layout.recompute = recompute;
  return plan;
}

TEST(TensorParallel, TrainsLikeOneRank) {
  expect_like_one_rank(layout(2, 1, 2, 1));
  expect_like_one_rank(layout(4, 4, 4, 1));
  expect_like_one_rank(layout(8, 4, 2, 1, Recompute::full));
}

TEST(TensorParallel, TrainsLikeOneRankWithChunksBucketsAndZero) {
  Plan plan = layout(4, 2, 2, 1, Recompute::communication_aware);
  plan.dispatch.chunks = 2;
  plan.gradient_bucket_bytes = 4000;
  expect_like_one_rank(plan);
  plan.layout.zero = 1;
  expect_like_one_rank(plan);
  plan.layout.zero = 3;
  plan.fused_parameter_bytes = 4000;
  expect_like_one_rank(plan);
}

Plan staged(int ranks, int ep, int pp, int micro_batches) {
  Plan plan = layout_plan(ranks, ep);
  plan.layout.pp = pp;
  plan.layout.micro_batches = micro_batches;
  return plan;
}

// A stage computes what one rank computes with the same microbatches in the same order; only the router's auxiliary
// losses are added up in another order, as doubles. (A tied table's
// gradient is the sum of two stages', which changes its rounding.)
TEST(PipelineStages, OfOneRankEachComputeTheSameBits) {
  for (const auto& [pp, micro_batches] : {std::pair{2, 1}, {2, 4}, {3, 2}, {3, 8}}) {
    Plan plan = staged(pp, 1, pp, micro_batches), one = staged(1, 1, 1, micro_batches);
    plan.model.tied_embeddings = one.model.tied_embeddings = false;
    const Tensors staged_gradients = gradients(plan);
    for (const auto& [name, expected] : gradients(one))
      EXPECT_TRUE(staged_gradients.at(name) == expected) << name << ", " << pp << " stages, " << micro_batches;
    const std::vector<double> found = four_losses(plan), expected = four_losses(one);
    for (size_t step = 0; step < found.size(); ++step) EXPECT_NEAR(found[step], expected[step], 1e-12);
  }
}

TEST(PipelineStages, TrainLikeOneRank) {
  expect_like_one_rank(staged(4, 2, 2, 4));
  expect_like_one_rank(staged(4, 1, 2, 2));
  expect_like_one_rank(staged(6, 2, 3, 4));
  expect_like_one_rank(staged(3, 1, 3, 4));  // tied embeddings: the stage between holds no table
  Plan untied = staged(4, 2, 2, 4);
  untied.model.tied_embeddings = false;
  expect_like_one_rank(untied);
}

TEST(PipelineStages, TrainLikeOneRankWithEverythingElse) {
  Plan plan = staged(8, 4, 2, 4);
  plan.layout.tp = 2;
  plan.layout.recompute = Recompute::communication_aware;
  plan.dispatch.chunks = 2;
  plan.gradient_bucket_bytes = 4000;
  expect_like_one_rank(plan);
  plan.layout.zero = 1;
  plan.layout.expert_slices = 2;
  expect_like_one_rank(plan);
}

TEST(PipelineStages, ExchangeExpertsInTwoPhasesInsideAStage) {
  Plan plan = staged(8, 4, 2, 2);
  plan.cluster.num_nodes = 4;
  plan.cluster.devices_per_node = 2;
  plan.dispatch.all_to_all = AllToAllKind::hierarchical_2d;
  expect_like_one_rank(plan);
}

TEST(ExpertSlices, TrainLikeOneRank) {
  expect_like_one_rank(layout(1, 1, 1, 2));
  expect_like_one_rank(layout(2, 2, 1, 2));
  expect_like_one_rank(layout(8, 8, 1, 2));  // twice as many ranks as experts
}

TEST(ExpertSlices, TrainLikeOneRankWithEverythingElse) {
  Plan plan = layout(8, 4, 2, 3, Recompute::full);
  plan.dispatch.chunks = 2;
  plan.placement = {{3, {11, 2, 7, 0, 1, 6, 3, 4, 5, 8, 9, 10}}};
  expect_like_one_rank(plan);
}

TEST(ExpertSlices, TrainLikeOneRankFromHostMemory) {
  Plan plan = layout(4, 4, 2, 2, Recompute::full);
  const std::vector<double> on_device = four_losses(plan);
  plan.expert_storage.home = Tier::host;
  plan.prefetch.experts = 1;
  EXPECT_EQ(four_losses(plan), on_device);
  plan.layout.recompute = Recompute::none;
  EXPECT_EQ(four_losses(plan), on_device);
}

// 64 tokens of 16 sequences of 8 choose 2 experts per microbatch, whatever the slices.
TEST(ExpertSlices, ResultsCountRealExperts) {
  TrainOptions options;
  options.steps = 1;
  const TrainResult result = train_on_threads(layout(2, 2, 1, 2), corpus(), options);
  EXPECT_EQ(result.routing.num_experts, 4);
  EXPECT_EQ(std::accumulate(result.routing.counts.begin(), result.routing.counts.end(), int64_t{0}), 2 * 64 * 2);
}

TEST(Recompute, ChangesNoBit) {
  for (const auto& [ranks, ep] : {std::pair{1, 1}, {2, 2}, {4, 2}}) {
    Plan plan = layout_plan(ranks, ep);
    const std::vector<double> kept = four_losses(plan);
    for (Recompute mode : {Recompute::full, Recompute::communication_aware}) {
      plan.layout.recompute = mode;
      EXPECT_EQ(four_losses(plan), kept) << ranks << " ranks";
      Plan cut = plan;
      cut.dispatch.chunks = 2;
      EXPECT_EQ(four_losses(cut), kept) << ranks << " ranks, 2 chunks";
    }
  }
}

TEST(Recompute, ChangesNoBitAcrossNodes) {
  Plan plan = layout_plan(4, 4, 2);
  plan.dispatch.all_to_all = AllToAllKind::hierarchical_2d;
  const std::vector<double> kept = four_losses(plan);
  plan.layout.recompute = Recompute::full;
  EXPECT_EQ(four_losses(plan), kept);
}

}  // namespace
}  // namespace moesaic::executor
