#include <gtest/gtest.h>

#include <map>

#include "core/graph/holdings.h"
#include "core/graph/memory.h"
#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using testing::tiny_plan;

TaskGraph staged(int ranks, int ep, int zero, Bytes fused, int ahead = 0) {
  Plan plan = tiny_plan(ranks, ep);
  plan.layout.zero = zero;
  (zero == 3 ? plan.fused_parameter_bytes : plan.gradient_bucket_bytes) = fused;
  plan.prefetch.dense = ahead;
  check_plan(plan, "test");
  return lower(plan);
}

std::map<Op, int> collectives(const TaskGraph& graph) {
  std::map<Op, int> counts;
  for (const Task& task : graph.tasks)
    if (is_collective(task.op) && task.op != Op::all_to_all) ++counts[task.op];
  return counts;
}

// 7 dense parameters that 2 ranks share; each gradient is reduced and each weight gathered once. One all-gather more
// exchanges counts, one all-reduce sums losses.
TEST(Zero, UnfusedParametersTravelAlone) {
  const std::map<Op, int> expected = {{Op::all_reduce, 1}, {Op::reduce_scatter, 7}, {Op::all_gather, 8}};
  EXPECT_EQ(collectives(staged(2, 2, 1, 0)), expected);
  EXPECT_EQ(collectives(staged(2, 2, 2, 0)), expected);
}

TEST(Zero, ALargeBucketCarriesAllDenseParameters) {
  EXPECT_EQ(collectives(staged(2, 2, 1, 1 << 20)),
            (std::map<Op, int>{{Op::all_reduce, 1}, {Op::reduce_scatter, 1}, {Op::all_gather, 2}}));
}

// Groups within a layer: the embedding; layer 0; the final norm. Embedding: forward and, because it is the head too,
// again from head to head dgrad; layer 0: forward, backward; final norm: from head to its backward. 5 gathers, 1 count
// exchange. Embedding and final norm are declared apart, so they do not share a group.
TEST(Zero, Stage3GathersALayerForEachPass) {
  EXPECT_EQ(collectives(staged(2, 2, 3, 1 << 20)),
            (std::map<Op, int>{{Op::all_reduce, 1}, {Op::reduce_scatter, 3}, {Op::all_gather, 6}}));
}

// Rows of the second microbatch wait for what is reduced last in the first one: its whole gradients are gone then.
TEST(Zero, Stage2KeepsNoWholeGradientsIntoTheNextMicrobatch) {
  Plan plan = tiny_plan(2, 1);
  plan.layout.micro_batches = 2;
  for (int stage : {1, 2, 3}) {
    plan.layout.zero = stage;
    check_plan(plan, "test");
    const TaskGraph graph = lower(plan);
    std::string last_reduced;
    std::vector<std::string> waits;
    for (const std::string& label : testing::labels_of(graph))
      if (label.starts_with("microbatch 0 / backward / reduce group")) last_reduced = label;
    for (const std::string& label : testing::waits_for(graph, "microbatch 1 / layer 0 / forward / permute"))
      if (label.find("reduce") != std::string::npos) waits.push_back(label);
    EXPECT_EQ(waits, stage == 2 ? std::vector<std::string>{last_reduced} : std::vector<std::string>{}) << stage;
    EXPECT_EQ(last_reduced.empty(), stage == 1);
  }
}

// Without prefetch a gather waits for the input of its own layer, with it for the input of the layer before.
TEST(Zero, PrefetchStartsALayerAhead) {
  const std::string gather = "layer 0 / forward / norm1 / gather group 1";
  EXPECT_EQ(testing::waits_for(staged(2, 2, 3, 1 << 20, 0), gather), (std::vector<std::string>{"forward / embed"}));
  EXPECT_EQ(testing::waits_for(staged(2, 2, 3, 1 << 20, 1), gather), std::vector<std::string>{});
}

// Dense elements 464 (tests/core/graph/holdings_test.cpp), in one group padded to 464 + 16-element alignment: none of
// the seven needs padding, so 464 -> 480, a multiple of 2 * 16. Experts: 512 elements per rank, 2 tensors. f32: weight
// 4, gradient 4, moments 8 bytes. Inputs: loss 16 bytes, tokens and targets of 8 each.
TEST(Zero, ResidentBytesFollowTheStage) {
  const Bytes inputs = 16 + 2 * 4 * 8, experts = 512 * 16;
  EXPECT_EQ(resident_bytes(staged(2, 2, 0, 1 << 20)), inputs + experts + 464 * 16);
  EXPECT_EQ(resident_bytes(staged(2, 2, 1, 1 << 20)), inputs + experts + 480 * 8 + 240 * 8);
  EXPECT_EQ(resident_bytes(staged(2, 2, 2, 1 << 20)), inputs + experts + 480 * 4 + 240 * 4 + 240 * 8);
}

TEST(Zero, EveryElementOfEveryStateHasOnePrimary) {
  for (int stage : {1, 2, 3}) {
    const TaskGraph graph = staged(4, 2, stage, 700);
    for (State state : {State::weight, State::first_moment, State::second_moment}) {
      std::map<std::string, int64_t> elements;
      for (int rank = 0; rank < 4; ++rank)
        for (const Holding& holding : holdings_of(graph, rank, state))
          for (const Piece& piece : holding.pieces)
            if (holding.primary) elements[piece.tensor] += piece.elements();
      EXPECT_EQ(elements.size(), 7u + 8u);
      EXPECT_EQ(elements["layers.0.qkv"], 192);
      EXPECT_EQ(elements["embedding"], 128);
      EXPECT_EQ(elements["layers.0.experts.3.down"], 128);
    }
  }
}

}  // namespace
}  // namespace moesaic
