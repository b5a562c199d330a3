#include <gtest/gtest.h>

#include "core/graph/communicators.h"
#include "core/graph/holdings.h"
#include "core/steps/baseline_step.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using Labels = std::vector<std::string>;
using Groups = std::vector<std::vector<int>>;

/// tests/core/graph/tiny_plan.h with tensor-parallel pairs.
Plan pairs(int ranks, int ep) {
  Plan plan = testing::tiny_plan(ranks, ep);
  plan.layout.tp = 2;
  check_plan(plan, "test");
  return plan;
}

TEST(TensorParallel, GroupsAreNeighboursAndEqualPartsReduceTogether) {
  const auto families = communicators_of(pairs(4, 2).layout, pairs(4, 2).cluster);
  ASSERT_EQ(families.size(), 7u);
  EXPECT_EQ(families[5].groups, (Groups{{0, 1}, {2, 3}}));
  EXPECT_EQ(families[6].groups, (Groups{{0, 2}, {1, 3}}));
}

TEST(TensorParallel, AttentionGathersItsInputAndSumsItsOutput) {
  const TaskGraph graph = baseline_step(pairs(4, 2));
  const Labels labels = testing::labels_of(graph);
  const std::string layer = "layer 0 / forward / ";
  EXPECT_EQ(Labels(labels.begin() + 1, labels.begin() + 8),
            (Labels{layer + "norm1", layer + "gather norm1", layer + "qkv", layer + "attention", layer + "out",
                    layer + "sum out", layer + "attention residual"}));
  // 4 tokens per rank; a rank brings 4 * 8 * 4 bytes and multiplies 8 rows by half of the 24 columns.
  const Task& gather = graph.tasks[testing::find_task(graph, layer + "gather norm1")];
  const Task& qkv = graph.tasks[testing::find_task(graph, layer + "qkv")];
  EXPECT_EQ(gather.bytes, 128);
  EXPECT_EQ(qkv.fixed_rows, 8);
  EXPECT_EQ(qkv.shape.n, 12);
}

// No token stands on two ranks outside attention and dense FFN: a rank routes its own 4 tokens to 2 experts each.
TEST(TensorParallel, NoTokenIsRoutedTwice) {
  const TaskGraph graph = baseline_step(pairs(4, 2));
  EXPECT_EQ(graph.tasks[testing::find_task(graph, "layer 0 / forward / router")].fixed_rows, 4);
}

// q, k, v: 8 rows of 8 each, of which rank 1 has rows 4..7 (elements 32..63). out [8, 8]: columns 4..7.
TEST(TensorParallel, TheSecondRankHoldsTheSecondHalfOfTheHeads) {
  const TaskGraph graph = baseline_step(pairs(4, 2));
  const std::string qkv = "layers.0.qkv", out = "layers.0.out";
  EXPECT_EQ(pieces_of(graph, testing::parameter_of(graph, qkv), 1),
            (std::vector<Piece>{{qkv, 32, 0, 0, 0, 32, 1}, {qkv, 96, 0, 32, 0, 32, 1}, {qkv, 160, 0, 64, 0, 32, 1}}));
  EXPECT_EQ(pieces_of(graph, testing::parameter_of(graph, out), 3), (std::vector<Piece>{{out, 4, 8, 0, 4, 4, 8}}));
  EXPECT_EQ(graph.group(testing::parameter_of(graph, out).replicas, 3), (std::vector<int>{1, 3}));
}

// 464 dense elements, of which qkv and out, 192 + 64, are cut in two; 1024 of experts, twice.
TEST(TensorParallel, PrimariesHoldEveryElementOnce) {
  const TaskGraph graph = baseline_step(pairs(4, 2));
  int64_t primary = 0, all = 0;
  for (int rank = 0; rank < 4; ++rank)
    for (const Holding& holding : holdings_of(graph, rank, State::weight))
      for (const Piece& piece : holding.pieces) {
        all += piece.elements();
        primary += holding.primary ? piece.elements() : 0;
      }
  EXPECT_EQ(primary, 464 + 1024);
  EXPECT_EQ(all, 4 * (464 - 256 + 128) + 2 * 1024);
}

// SwiGLU: up holds gates and values, [2 * 16, 8]; each half is cut.
TEST(TensorParallel, BothHalvesOfAGatedFfnAreCut) {
  Plan plan = pairs(2, 2);
  plan.workload.phase = WorkloadPhase::prefill;
  plan.model.activation = Activation::swiglu;
  plan.model.moe_layers = {false};
  plan.placement.clear();
  const TaskGraph graph = baseline_step(plan);
  const std::string up = "layers.0.up", down = "layers.0.down";
  EXPECT_EQ(pieces_of(graph, testing::parameter_of(graph, up), 1),
            (std::vector<Piece>{{up, 64, 0, 0, 0, 64, 1}, {up, 192, 0, 64, 0, 64, 1}}));
  EXPECT_EQ(pieces_of(graph, testing::parameter_of(graph, down), 1), (std::vector<Piece>{{down, 8, 16, 0, 8, 8, 8}}));
}

}  // namespace
}  // namespace moesaic
