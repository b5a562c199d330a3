#include "planner/layout/enumerate.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"
#include "tests/planner/known_prices.h"

namespace moesaic::planner {
namespace {

using testing::tiny_problem;

std::vector<Layout> layouts_of(const Problem& problem) {
  std::vector<Layout> layouts;
  for (const LayoutCandidate& candidate : enumerate_layouts(problem))
    if (candidate.refusal.empty()) layouts.push_back(candidate.layout);
  return layouts;
}

std::string complaint(const Problem& problem) {
  try {
    enumerate_layouts(problem);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(Layouts, DivideRanksExpertsAndBatch) {
  EXPECT_EQ(layouts_of(tiny_problem()),
            (std::vector<Layout>{
                {4, 4, 1}, {4, 4, 2}, {4, 4, 4}, {4, 2, 1}, {4, 2, 2}, {4, 2, 4}, {4, 1, 1}, {4, 1, 2}, {4, 1, 4}}));
  Problem problem = tiny_problem();
  problem.model.num_experts = 6;  // 6 % 4 != 0
  problem.workload.global_batch = 12;
  EXPECT_EQ(layouts_of(problem), (std::vector<Layout>{{4, 2, 1}, {4, 1, 1}}));
}

TEST(Layouts, InferenceHasOneMicrobatch) {
  Problem problem = tiny_problem();
  problem.workload.phase = WorkloadPhase::decode;
  problem.fixed.set(&Layout::tp_tokens, GroupTokens::split);
  EXPECT_EQ(layouts_of(problem), (std::vector<Layout>{{4, 4, 1}, {4, 2, 1}, {4, 1, 1}}));
}

Layout replicated(Layout layout, int tp) {
  layout.tp = tp;
  layout.tp_tokens = GroupTokens::replicated;
  return layout;
}

// Pairs of ranks with the same tokens, of 2 heads, in groups of whole pairs: ep 4 has two sources, ep 2 one.
TEST(Layouts, InferenceMayReplicateTokens) {
  Problem problem = tiny_problem();
  problem.workload.phase = WorkloadPhase::decode;
  const std::vector<Layout> pairs = {replicated({4, 4, 1}, 2), replicated({4, 2, 1}, 2)};
  std::vector<Layout> layouts = layouts_of(problem);
  EXPECT_EQ(std::vector<Layout>(layouts.begin() + 3, layouts.end()), pairs);
  problem.fixed.set(&Layout::tp_tokens, GroupTokens::replicated);
  EXPECT_EQ(layouts_of(problem), pairs);
  problem.fixed.set(&Layout::tp, 2);
  EXPECT_EQ(layouts_of(problem), pairs);
}

// 2 sequences for 4 ranks: two pairs have one each.
TEST(Layouts, AFewSequencesAreServedByMoreRanks) {
  Problem problem = tiny_problem();
  problem.workload.phase = WorkloadPhase::decode;
  problem.workload.global_batch = 2;
  EXPECT_EQ(layouts_of(problem), (std::vector<Layout>{replicated({4, 4, 1}, 2), replicated({4, 2, 1}, 2)}));
}

TEST(Layouts, RanksMayBeFewerThanDevicesButNotMore) {
  Problem problem = tiny_problem();
  problem.ranks = 2;
  EXPECT_EQ(layouts_of(problem).front(), (Layout{2, 2, 1}));
  problem.ranks = 8;
  EXPECT_NE(complaint(problem).find("8 ranks on a cluster of 4 devices"), std::string::npos) << complaint(problem);
}

TEST(Layouts, RefuseModelsThatNoBlockComputes) {
  Problem problem = tiny_problem();
  problem.model.sparse_keys = 2048;
  EXPECT_NE(
      complaint(problem).find("has sparse attention to 2048 keys that an indexer chooses, which no block computes"),
      std::string::npos)
      << complaint(problem);
}

TEST(Layouts, RefusesWhatDividesOverNoneWithARemedy) {
  Problem problem = tiny_problem();
  problem.workload.global_batch = 6;
  EXPECT_NE(complaint(problem).find("change global_batch in the workload, or --ranks"), std::string::npos);
  EXPECT_NE(complaint(problem).find("a global batch of 6 sequences over 4 ranks"), std::string::npos);
  problem = tiny_problem();
  problem.fixed.set(&Layout::ep, 3);
  EXPECT_NE(complaint(problem).find("with the fixed ep"), std::string::npos);
}

TEST(Layouts, RefusesADispatchThatCannotBeLowered) {
  Problem problem = tiny_problem();
  problem.fixed.set(&Dispatch::kind, DispatchKind::padded);
  EXPECT_NE(complaint(problem).find("padded dispatch has no capacity"), std::string::npos);
}

// 464 dense parameters of 16 bytes are 7424; 1024 expert parameters over ep 4, 2, 1 take 4096, 8192, 16,384. Tokens and
// targets are below 200 bytes.
TEST(Layouts, WhatDoesNotFitSaysWhatItNeeds) {
  Problem problem = tiny_problem();
  problem.cluster.device.memory_bytes = 13'000;
  const std::vector<LayoutCandidate> candidates = enumerate_layouts(problem);
  ASSERT_EQ(candidates.size(), 9u);
  for (size_t i = 0; i < 9; ++i) EXPECT_EQ(candidates[i].refusal.empty(), i < 3);
  // ep 1: 7424 + 16,384 bytes, and those of tokens and targets
  const Refusal& refusal = candidates[8].refusal;
  EXPECT_EQ(refusal.reason, "parameters, gradients and optimizer state of one rank take 24 kB; the device has 13 kB");
  EXPECT_EQ(refusal.limit, "parameters, gradients and optimizer state do not fit");
  EXPECT_EQ(refusal.has, 13'000);
  EXPECT_GE(refusal.needs, 7424 + 16'384);
}

// Half of 26,000 bytes may be used: the same layouts fit.
TEST(Layouts, AShareOfTheMemoryIsUsable) {
  Problem problem = tiny_problem();
  problem.cluster.device.memory_bytes = 26'000;
  problem.cluster.device.usable_memory_share = 0.5;
  const std::vector<LayoutCandidate> candidates = enumerate_layouts(problem);
  ASSERT_EQ(candidates.size(), 9u);
  for (size_t i = 0; i < 9; ++i) EXPECT_EQ(candidates[i].refusal.empty(), i < 3);
  EXPECT_EQ(candidates[8].refusal.reason,
            "parameters, gradients and optimizer state of one rank take 24 kB; the device has 13 kB to use");
}

// ep 4 takes 16 bytes of each of 464 dense and 256 expert parameters, 11,520, and 192 of tokens and targets.
// ZeRO-1 divides the moments of the dense ones by 4 and keeps buffers for their exchange: 10.6 kB.
TEST(Layouts, DividesOptimizerStatesWhereNothingFitsOtherwise) {
  Problem problem = tiny_problem();
  problem.cluster.device.memory_bytes = 11'000;
  problem.fixed.set(&Layout::micro_batches, 1);
  std::vector<Layout> expected = {{4, 4, 1}};
  expected[0].zero = 1;
  EXPECT_EQ(layouts_of(problem), expected);
}

// 8 sequences over 4 ranks and 4 microbatches do not divide; over the 2 ranks of a stage they do.
TEST(Layouts, ABatchThatDividesOverTheRanksOfAStageIsEnough) {
  Problem problem = tiny_problem();
  problem.model.num_layers = 2;
  problem.model.moe_layers.assign(2, true);
  problem.workload.global_batch = 8;
  problem.fixed.set(&Layout::micro_batches, 4);
  std::vector<Layout> expected = {{4, 2, 4}, {4, 1, 4}};
  for (Layout& layout : expected) layout.pp = 2;
  EXPECT_EQ(layouts_of(problem), expected);
  problem.fixed.set(&EmbeddingTable::embedding, Embedding::replicated);  // as stages have it anyway
  problem.fixed.set(&ExpertStorage::home, Tier::device);
  EXPECT_EQ(layouts_of(problem), expected);
  problem.fixed.set(&Layout::pp, 1);
  EXPECT_NE(complaint(problem).find("divide over no layout"), std::string::npos);
}

// qkv and out, 256 parameters, are cut: ep 4 takes 4096 less 128 * 16 bytes of the 7424 + 4096 that it took.
TEST(Layouts, CutsDenseTensorsWhereNothingFitsOtherwise) {
  Problem problem = tiny_problem();
  problem.cluster.device.memory_bytes = 10'000;
  problem.fixed.set(&Layout::micro_batches, 1);
  problem.fixed.set(&Layout::zero, 0);
  std::vector<Layout> expected = {{4, 4, 1}};
  expected[0].tp = 2;
  EXPECT_EQ(layouts_of(problem), expected);
  problem.model.num_kv_heads = 1;
  EXPECT_TRUE(layouts_of(problem).empty());
}

// 4 layers of 256 dense parameters (one key-value head, which nothing cuts) and 1024 of experts, 144 beside them; 16
// bytes each. One stage at ep 4 takes 16 (144 + 1024 + 1024) = 35,072; two stages of two layers at ep 2 take
// 16 (144 + 512 + 1024) = 26,880 at most.
TEST(Layouts, SpreadsLayersOverStagesWhereNothingFitsOtherwise) {
  Problem problem = tiny_problem();
  problem.model.num_layers = 4;
  problem.model.moe_layers.assign(4, true);
  problem.model.num_kv_heads = 1;
  problem.cluster.device.memory_bytes = 30'000;
  problem.fixed.set(&Layout::micro_batches, 4);
  problem.fixed.set(&Layout::zero, 0);
  std::vector<Layout> expected = {{4, 2, 4}};
  expected[0].pp = 2;
  EXPECT_EQ(layouts_of(problem), expected);
}

TEST(Layouts, AModelRoutedByTaskNeedsTasks) {
  Problem problem = tiny_problem();
  problem.model.name = "by-task";
  problem.model.routed_by_task = true;
  problem.workload.name = "plain";
  problem.workload.tasks.clear();
  const std::string text = complaint(problem);
  EXPECT_NE(text.find("model by-task is routed by task and workload plain has no tasks"), std::string::npos) << text;
}

}  // namespace
}  // namespace moesaic::planner
