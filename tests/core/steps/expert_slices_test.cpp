#include <gtest/gtest.h>

#include <algorithm>

#include "core/graph/holdings.h"
#include "core/graph/routing_binding.h"
#include "core/steps/baseline_step.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

/// 4 experts in halves: 8 slots.
Plan halves(int ranks, int ep) {
  Plan plan = testing::tiny_plan(ranks, ep);
  plan.cluster.num_nodes = 4;
  plan.workload.global_batch = 8;
  plan.layout.expert_slices = 2;
  return plan;
}

TEST(ExpertSlices, MoreRanksThanExpertsCanShareThem) {
  check_plan(halves(8, 8), "test");
  EXPECT_EQ(baseline_step(halves(8, 8)).placement[0], (ExpertPlacement{1, {0, 1, 2, 3, 4, 5, 6, 7}}));
}

// Slot 3 is the second half of expert 1: rows 8..15 of up [16, 8], columns 8..15 of down [8, 16].
TEST(ExpertSlices, ASlotHoldsRowsOfUpAndColumnsOfDown) {
  const TaskGraph graph = baseline_step(halves(8, 8));
  const auto pieces = [&](const std::string& name) {
    const auto found = std::find_if(graph.parameters.begin(), graph.parameters.end(),
                                    [&](const Parameter& parameter) { return parameter.name == name; });
    return pieces_of(graph, *found, 3);
  };
  EXPECT_EQ(pieces("layers.0.experts.up"), (std::vector<Piece>{{"layers.0.experts.1.up", 64, 0, 0, 0, 64, 1}}));
  EXPECT_EQ(pieces("layers.0.experts.down"), (std::vector<Piece>{{"layers.0.experts.1.down", 8, 16, 0, 8, 8, 8}}));
}

TEST(ExpertSlices, PrimariesHoldEveryElementOnce) {
  const TaskGraph graph = baseline_step(halves(8, 4));
  int64_t elements = 0;
  for (int rank = 0; rank < 8; ++rank)
    for (const Holding& holding : holdings_of(graph, rank, State::first_moment))
      for (const Piece& piece : holding.pieces) elements += holding.primary ? piece.elements() : 0;
  EXPECT_EQ(elements, 464 + 1024);
}

// One rank: 16 tokens choose two experts each.
TEST(ExpertSlices, EverySliceGetsAllRowsOfItsExpert) {
  Plan plan = halves(1, 1);
  plan.routing.counts = {10, 6, 12, 4};
  plan.routing.num_iterations = plan.routing.num_moe_layers = plan.routing.num_sources = 1;
  plan.routing.num_experts = 4;
  plan.workload.global_batch = 4;
  const TaskGraph graph = baseline_step(plan);
  const RoutingBinding binding(plan);
  EXPECT_EQ(binding.counts(0, 0, 0, 0, 1).slot_rows(0), (std::vector<int64_t>{10, 10, 6, 6, 12, 12, 4, 4}));
  const Task& permute = graph.tasks[testing::find_task(graph, "layer 0 / forward / permute")];
  EXPECT_EQ(binding.rows(permute, 0, 0), 64);
}

// Products of half the width on twice the rows: the same work.
TEST(ExpertSlices, SlicesCostWhatWholeExpertsCost) {
  const auto flops = [](int slices) {
    Plan plan = halves(4, 4);
    plan.layout.expert_slices = slices;
    const TaskGraph graph = baseline_step(plan);
    const RoutingBinding binding(plan);
    const Task& experts = graph.tasks[testing::find_task(graph, "layer 0 / forward / experts")];
    double sum = 0;
    for (int rank = 0; rank < 4; ++rank) sum += flops_of(experts.op, experts.shape, binding.rows(experts, rank, 0));
    return sum;
  };
  EXPECT_EQ(flops(1), 2 * 2 * 64 * 16 * 8);  // 32 tokens, 64 rows
  EXPECT_EQ(flops(2), flops(1));
}

}  // namespace
}  // namespace moesaic
