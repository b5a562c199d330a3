// Tensor parallelism with the same tokens on all ranks of a group, and experts that no all-to-all leads to.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/graph/communicators.h"
#include "core/graph/holdings.h"
#include "core/schema/error.h"
#include "core/steps/baseline_step.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using Labels = std::vector<std::string>;
using Groups = std::vector<std::vector<int>>;

/// tests/core/graph/tiny_plan.h in tensor-parallel pairs that have the same tokens: 8 each, of two sources in a group.
Plan serving_pairs(WorkloadPhase phase = WorkloadPhase::prefill) {
  Plan plan = testing::tiny_plan(4, 4);
  plan.workload.phase = phase;
  plan.layout.tp = 2;
  plan.layout.tp_tokens = GroupTokens::replicated;
  plan.dispatch.exchange = ExpertExchange::all_gather;
  check_plan(plan, "test");
  return plan;
}

std::string refusal(Plan plan) {
  try {
    check_plan(plan, "test");
  } catch (const InputError& error) {
    return error.pointer();
  }
  return "";
}

TEST(ReplicatedTokens, SourcesAreRanksOfAGroupWithOneOfEachPair) {
  const Plan plan = serving_pairs();
  EXPECT_EQ(communicators_of(plan.layout, plan.cluster).back().groups, (Groups{{0, 2}, {1, 3}}));
  EXPECT_EQ(communicators_of(plan.layout, plan.cluster).back().name, "sources");
}

TEST(ReplicatedTokens, ALayerGathersTokensOnceAndSumsTheParts) {
  const TaskGraph graph = baseline_step(serving_pairs());
  const Labels labels = testing::labels_of(graph);
  const std::string layer = "layer 0 / forward / ";
  const auto first = std::find(labels.begin(), labels.end(), layer + "norm1");
  EXPECT_EQ(Labels(first, first + 16),
            (Labels{layer + "norm1", layer + "qkv", layer + "attention", layer + "out", layer + "sum out",
                    layer + "attention residual", layer + "norm2", layer + "gather norm2 of group", layer + "router",
                    layer + "own choices", layer + "permute", layer + "experts", layer + "unpermute",
                    layer + "scatter moe_sum", layer + "sum moe_sum", layer + "moe residual"}));
}

// 16 tokens on two sources: 8 a rank, of 8 elements of 4 bytes; a router sees 16.
TEST(ReplicatedTokens, RowsAreThoseOfAPairAndOfAGroup) {
  const TaskGraph graph = baseline_step(serving_pairs());
  const auto task = [&](const std::string& what) -> const Task& {
    return graph.tasks[testing::find_task(graph, "layer 0 / forward / " + what)];
  };
  EXPECT_EQ(task("norm1").fixed_rows, 8);
  EXPECT_EQ(task("qkv").fixed_rows, 8);
  EXPECT_EQ(task("qkv").shape.n, 12);
  EXPECT_EQ(task("sum out").bytes, 8 * 8 * 4);
  EXPECT_EQ(task("gather norm2 of group").bytes, 8 * 8 * 4);
  EXPECT_EQ(task("router").fixed_rows, 16);
  EXPECT_EQ(task("experts").rows, Rows::received);
  EXPECT_EQ(task("scatter moe_sum").bytes, 8 * 8 * 4);
}

// Every rank of a pair multiplies with half of the vocabulary of 16 for both sequences of its pair.
TEST(ReplicatedTokens, AServedHeadIsCutByItsVocabulary) {
  Plan plan = serving_pairs();
  plan.model.tied_embeddings = false;
  const TaskGraph graph = baseline_step(plan);
  const Task& head = graph.tasks[testing::find_task(graph, "forward / head")];
  EXPECT_EQ(head.shape.n, 8);
  EXPECT_EQ(head.fixed_rows, 2);
  EXPECT_EQ(graph.tasks.back().label, "forward / gather logits");
  EXPECT_EQ(graph.tasks.back().bytes, 2 * 8 * 4);
  EXPECT_EQ(pieces_of(graph, testing::parameter_of(graph, "head"), 1),
            (std::vector<Piece>{{"head", 64, 0, 0, 0, 64, 1}}));
}

// 4 query heads and 2 of keys and values, of 4 rows with 8 elements, on 4 ranks: rank 3 has query head 3 and shares key
// and value head 1 with rank 2. q ends at 4 * 32 = 128, k at 192.
TEST(ReplicatedTokens, RanksBeyondTheKeyValueHeadsShareThem) {
  Plan plan = serving_pairs(WorkloadPhase::decode);
  plan.model.num_heads = 4;
  plan.cluster.devices_per_node = 4;
  plan.layout.tp = 4;
  check_plan(plan, "test");
  const TaskGraph graph = baseline_step(plan);
  const std::string qkv = "layers.0.qkv";
  EXPECT_EQ(pieces_of(graph, testing::parameter_of(graph, qkv), 3),
            (std::vector<Piece>{{qkv, 96, 0, 0, 0, 32, 1}, {qkv, 160, 0, 32, 0, 32, 1}, {qkv, 224, 0, 64, 0, 32, 1}}));
  plan.workload.phase = WorkloadPhase::training;
  EXPECT_EQ(refusal(plan), "/layout/tp");
}

// 4 experts in 2 slices on 4 ranks, moe_tp 2 x moe_ep 2: neighbours hold the slices of experts 0 and 1.
TEST(ReplicatedTokens, SlicesOfAnExpertStandOnNeighbours) {
  Plan plan = serving_pairs();
  plan.layout.expert_slices = 2;
  EXPECT_EQ(default_placement(plan), (ExpertPlacement{2, {0, 2, 1, 3, 4, 6, 5, 7}}));
  plan.dispatch.exchange = ExpertExchange::all_to_all;
  EXPECT_EQ(default_placement(plan), contiguous_placement(8, 4));
}

TEST(ReplicatedTokens, WhatDoesNotGoTogetherIsRefused) {
  const auto refused = [](auto change) {
    Plan plan = serving_pairs();
    change(plan);
    return refusal(plan);
  };
  EXPECT_EQ(refused([](Plan& p) { p.layout.tp = 1; }), "/layout/tp_tokens");
  EXPECT_EQ(refused([](Plan& p) { p.dispatch.exchange = ExpertExchange::all_to_all; }), "/layout/tp_tokens");
  EXPECT_EQ(refused([](Plan& p) { p.layout.ep = 1; }), "/layout/tp_tokens");
  EXPECT_EQ(refused([](Plan& p) { p.dispatch.chunks = 2; }), "/dispatch/chunks");
  EXPECT_EQ(refused([](Plan& p) { p.dispatch.all_to_all = AllToAllKind::hierarchical_2d; }), "/dispatch/all_to_all");
  EXPECT_EQ(refused([](Plan& p) {
              p.dispatch.kind = DispatchKind::padded;
              p.dispatch.capacity_factor = 1;
            }),
            "/dispatch/exchange");
  EXPECT_EQ(refused([](Plan& p) { p.model.shared_intermediate = 3; }), "/layout/tp_tokens");
}

}  // namespace
}  // namespace moesaic
