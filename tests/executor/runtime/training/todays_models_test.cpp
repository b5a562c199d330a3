// Blocks of Mixtral, Qwen3-MoE and OLMoE (RMS norm, grouped queries, gated experts, norms of queries and keys, a shared
// expert, own and tied heads): however a plan cuts and places them, they compute what one rank computes.
#include <gtest/gtest.h>

#include "tests/executor/runtime/training/like_one_rank.h"

namespace moesaic::executor {
namespace {

using testing::expect_like_one_rank;
using testing::four_losses;

/// 4 heads on 2 key-value heads, 4 experts, top 2; an MoE layer between 2 dense ones.
Model todays_model() {
  Model m = testing::unchecked_plan_of(1, 1, 1).model;
  m.hidden = 16;
  m.num_heads = 4;
  m.num_kv_heads = 2;
  m.head_dim = 6;
  m.num_experts = 4;
  m.expert_intermediate = 24;
  m.dense_intermediate = 40;
  m.moe_layers = {false, true, false};
  m.activation = Activation::swiglu;
  m.norm = Norm::rms_norm;
  m.norm_epsilon = 1e-6;
  m.rope_theta = 1e6;
  m.tied_embeddings = false;
  return m;
}

Model mixtral() {
  Model m = todays_model();
  m.family = "mixtral";
  return m;
}
Model qwen3() {
  Model m = todays_model();
  m.family = "qwen3_moe";
  m.qk_norm = m.tied_embeddings = true;
  return m;
}
Model olmoe() {
  Model m = todays_model();
  m.family = "olmoe";
  m.qk_norm = m.qk_norm_whole = true;
  m.normalize_top_k = false;
  m.num_kv_heads = 4;
  return m;
}
Model with_shared_expert() {
  Model m = todays_model();
  m.shared_intermediate = 20;
  return m;
}

class TodaysModels : public ::testing::TestWithParam<Model (*)()> {
 protected:
  Plan on(int ranks, int ep, int tp = 1, int pp = 1, int per_node = 8) const {
    per_node = std::min(ranks, per_node);
    Plan plan = testing::unchecked_plan_of(ranks / per_node, per_node, ep);
    plan.model = GetParam()();
    plan.workload.sequence_length = 8;
    plan.layout.tp = tp;
    plan.layout.pp = pp;
    return plan;
  }
};

TEST_P(TodaysModels, ExpertParallel) {
  expect_like_one_rank(on(2, 1));
  expect_like_one_rank(on(4, 2));
  expect_like_one_rank(on(8, 4));
}

TEST_P(TodaysModels, TensorParallel) {
  expect_like_one_rank(on(2, 1, 2));
  Plan plan = on(4, 4, 2);
  plan.layout.recompute = Recompute::full;
  expect_like_one_rank(plan);
}

TEST_P(TodaysModels, Pipeline) {
  expect_like_one_rank(on(2, 1, 1, 2));
  Plan plan = on(8, 2, 2, 2);
  plan.layout.recompute = Recompute::communication_aware;
  expect_like_one_rank(plan);
}

TEST_P(TodaysModels, PartitionedStates) {
  for (const int zero : {1, 2, 3}) {
    SCOPED_TRACE(zero);
    Plan plan = on(4, 2);
    plan.layout.zero = zero;
    plan.gradient_bucket_bytes = 4000;
    if (zero == 3) plan.fused_parameter_bytes = 4000;
    expect_like_one_rank(plan);
  }
}

TEST_P(TodaysModels, SlicesOfGatedExperts) {
  Plan plan = on(4, 4);
  plan.layout.expert_slices = 2;
  plan.dispatch.chunks = 2;
  expect_like_one_rank(plan);
}

/// Every rank routes the tokens of its group and sums what its own experts add to them.
Plan gathering(Plan plan) {
  plan.dispatch.exchange = ExpertExchange::all_gather;
  return plan;
}

/// The same, with all ranks of a tensor-parallel group on the same tokens.
Plan replicating(Plan plan) {
  plan.layout.tp_tokens = GroupTokens::replicated;
  return gathering(std::move(plan));
}

TEST_P(TodaysModels, GatheredTokens) {
  expect_like_one_rank(gathering(on(2, 2)));
  expect_like_one_rank(gathering(on(4, 4, 2)));
  Plan stages = gathering(on(8, 2, 1, 2));
  stages.layout.recompute = Recompute::communication_aware;
  expect_like_one_rank(stages);
}

// Slices of an expert stand on neighbours: 2 x 2 ranks, each with one slice of 2 experts.
TEST_P(TodaysModels, GatheredTokensOfSlicedExperts) {
  Plan plan = gathering(on(8, 4));
  plan.layout.expert_slices = 2;
  EXPECT_EQ(default_placement(plan).slot_to_expert, (std::vector<int>{0, 2, 1, 3, 4, 6, 5, 7}));
  expect_like_one_rank(plan);
}

// 6 slots for 4 experts: a replica takes its share of every source's rows.
TEST_P(TodaysModels, GatheredTokensOfReplicas) {
  Plan plan = gathering(on(2, 2));
  plan.placement = {{3, {0, 1, 2, 3, 0, 1}}};
  expect_like_one_rank(plan);
}

TEST_P(TodaysModels, ReplicatedTokens) {
  expect_like_one_rank(replicating(on(2, 2, 2)));
  expect_like_one_rank(replicating(on(4, 2, 2)));
  for (const Recompute recompute : {Recompute::none, Recompute::full, Recompute::communication_aware}) {
    Plan two_sources = replicating(on(8, 4, 2));
    two_sources.layout.recompute = recompute;
    expect_like_one_rank(two_sources);
  }
  expect_like_one_rank(replicating(on(4, 2, 2, 2)));
}

TEST_P(TodaysModels, ReplicatedTokensWithPartitionedStates) {
  for (const int zero : {1, 2, 3}) {
    SCOPED_TRACE(zero);
    Plan plan = replicating(on(8, 4, 2));
    plan.layout.zero = zero;
    plan.gradient_bucket_bytes = 4000;
    if (zero == 3) plan.fused_parameter_bytes = 4000;
    expect_like_one_rank(plan);
  }
}

// Bit for bit: chunks, the way of the all-to-all, where expert states live, and recomputation change no sum.
TEST_P(TodaysModels, WhatChangesNoBit) {
  const Plan base = on(4, 4, 1, 1, 2);
  const std::vector<double> expected = four_losses(base);
  Plan chunks = base, hierarchical = base, host = base, again = base;
  chunks.dispatch.chunks = 3;
  hierarchical.dispatch.all_to_all = AllToAllKind::hierarchical_2d;
  again.layout.recompute = Recompute::full;
  host.expert_storage.home = Tier::host;
  host.prefetch.experts = 1;
  Plan storage = host;
  storage.expert_storage.home = Tier::storage;
  storage.expert_storage.cache_entries = 2;
  storage.cluster.storage_bytes = Bytes{1} << 30;
  storage.cluster.storage_read_bytes_per_s = storage.cluster.storage_write_bytes_per_s = 1e9;
  for (const Plan* plan : {&chunks, &hierarchical, &again, &host, &storage}) EXPECT_EQ(four_losses(*plan), expected);
}

// 8 bits: relative rounding 2^-9 = 2e-3 per operand of a product.
TEST_P(TodaysModels, Bf16LearnsLikeF32) {
  Plan plan = on(2, 2);
  const std::vector<double> f32 = four_losses(plan);
  plan.workload.compute_dtype = DType::bf16;
  const std::vector<double> bf16 = four_losses(plan);
  for (size_t step = 0; step < f32.size(); ++step) EXPECT_NEAR(bf16[step], f32[step], 4e-3 * f32[step]);
  EXPECT_NE(bf16, f32);
}

INSTANTIATE_TEST_SUITE_P(Families, TodaysModels, ::testing::Values(mixtral, qwen3, olmoe, with_shared_expert));

}  // namespace
}  // namespace moesaic::executor
