#include <gtest/gtest.h>

#include "core/graph/routing_binding.h"
#include "core/steps/baseline_step.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using testing::find_task;
using testing::tiny_plan;

/// 4 ranks in two groups; 4 tokens of 2 choices on each rank.
Plan skewed_plan() {
  Plan plan = tiny_plan(4, 2);
  plan.routing.generator = {1.2, 5, true};
  return plan;
}

TEST(RoutingBinding, WhatAGroupSendsItReceives) {
  const Plan plan = skewed_plan();
  const TaskGraph graph = baseline_step(plan);
  const RoutingBinding binding(plan);
  const Task& dispatch = graph.tasks[find_task(graph, "layer 0 / forward / dispatch")];
  const Task& experts = graph.tasks[find_task(graph, "layer 0 / forward / experts")];
  for (int rank = 0; rank < 4; ++rank) EXPECT_EQ(binding.rows(dispatch, rank, 0), 8);
  EXPECT_EQ(binding.rows(experts, 0, 0) + binding.rows(experts, 1, 0), 16);
  EXPECT_EQ(binding.rows(experts, 2, 0) + binding.rows(experts, 3, 0), 16);
  for (const Tensor& tensor : graph.tensors) {
    if (tensor.name != "layers.0.dispatch.arrived") continue;
    for (int rank = 0; rank < 4; ++rank)
      EXPECT_EQ(binding.bytes(tensor, rank, 0), binding.rows(experts, rank, 0) * 8 * 4);
  }
}

// Recorded rows [source][expert]; experts 0 and 1 are on even ranks. Rank 0 receives 1 + 2 + 5 + 1, rank 3
// 1 + 1 + 2 + 3.
TEST(RoutingBinding, ReadsARecording) {
  Plan plan = tiny_plan(4, 2);
  plan.routing.counts = {1, 2, 3, 2, /**/ 5, 1, 1, 1, /**/ 4, 2, 1, 1, /**/ 2, 1, 2, 3};
  plan.routing.num_iterations = 1, plan.routing.num_moe_layers = 1;
  plan.routing.num_sources = 4, plan.routing.num_experts = 4;
  const TaskGraph graph = baseline_step(plan);
  const RoutingBinding binding(plan);
  EXPECT_EQ(binding.counts(0, 0, 0, 0, 1).slot_rows(0), (std::vector<int64_t>{1 + 5, 2 + 1}));
  EXPECT_EQ(binding.counts(0, 0, 3, 0, 1).slot_rows(1), (std::vector<int64_t>{1 + 2, 1 + 3}));
}

// Two iterations of 4 experts, one rank each pair: rank 0 of each group holds experts 0 and 1. In iteration 0 rank 0
// has rows of expert 0 alone and rank 2, its twin in the other group, of expert 1; in iteration 1 rank 0 has rows of
// both.
TEST(RoutingBinding, WindowsHoldSlotsWithRows) {
  Plan plan = tiny_plan(4, 2);
  plan.routing.counts = {4, 0, 0, 0, /**/ 4, 0, 0, 0, /**/ 0, 4, 0, 0, /**/ 0, 4, 0, 0,   // iteration 0
                         1, 1, 1, 1, /**/ 1, 1, 1, 1, /**/ 0, 0, 2, 2, /**/ 0, 0, 2, 2};  // iteration 1
  plan.routing.num_iterations = 2, plan.routing.num_moe_layers = 1;
  plan.routing.num_sources = 4, plan.routing.num_experts = 4;
  const TaskGraph graph = baseline_step(plan);
  const RoutingBinding binding(plan);
  const auto slots = [&](Rows window, int64_t iteration, int rank) {
    return binding.slots(window, iteration, 0, rank);
  };
  using Slots = std::vector<int>;
  EXPECT_EQ(slots(Rows::active_slots, 0, 0), (Slots{0}));
  EXPECT_EQ(slots(Rows::active_slots, 0, 2), (Slots{1}));
  EXPECT_EQ(slots(Rows::used_slots, 0, 0), (Slots{0, 1}));
  EXPECT_EQ(slots(Rows::used_slots, 0, 2), (Slots{0, 1}));
  EXPECT_EQ(slots(Rows::active_slots, 0, 1), (Slots{}));
  EXPECT_EQ(slots(Rows::predicted_slots, 1, 0), (Slots{0}));
  EXPECT_EQ(slots(Rows::missing_slots, 1, 0), (Slots{1}));
  EXPECT_EQ(slots(Rows::predicted_slots, 0, 0), (Slots{0, 1})) << "what the recording ends with";
  EXPECT_EQ(slots(Rows::missing_slots, 0, 2), (Slots{1}));
}

// Of one row for expert 0 the second replica has it, on rank 1; its gradient reaches the first one, on rank 0, too, and
// both in the other group. Nobody has chosen expert 3.
TEST(RoutingBinding, ReplicasUseTheirGradientTogether) {
  Plan plan = tiny_plan(4, 2);
  plan.placement = {{3, {0, 1, 3, /**/ 2, 0, 3}}};
  plan.routing.counts = {1, 0, 7, 0, /**/ 0, 0, 8, 0, /**/ 0, 8, 0, 0, /**/ 0, 8, 0, 0};
  plan.routing.num_iterations = 1, plan.routing.num_moe_layers = 1;
  plan.routing.num_sources = 4, plan.routing.num_experts = 4;
  const RoutingBinding binding(plan);
  using Slots = std::vector<int>;
  EXPECT_EQ(binding.slots(Rows::active_slots, 0, 0, 0), (Slots{}));
  EXPECT_EQ(binding.slots(Rows::active_slots, 0, 0, 1), (Slots{0, 1}));
  for (int rank : {0, 2}) EXPECT_EQ(binding.slots(Rows::used_slots, 0, 0, rank), (Slots{0, 1}));
  for (int rank : {1, 3}) EXPECT_EQ(binding.slots(Rows::used_slots, 0, 0, rank), (Slots{0, 1}));
}

// Capacity ceil(1.25 * 4 * 2 / 4) = 3 rows for every expert from every source, whatever the router says.
TEST(RoutingBinding, PaddedDispatchSendsItsCapacity) {
  Plan plan = skewed_plan();
  plan.dispatch = {DispatchKind::padded, 1.25, AllToAllKind::flat, 1};
  const TaskGraph graph = baseline_step(plan);
  const RoutingBinding binding(plan);
  for (int rank = 0; rank < 4; ++rank) {
    const SlotCounts& counts = binding.counts(0, 0, rank, 0, 1);
    EXPECT_EQ(counts.slot_rows(rank % 2), (std::vector<int64_t>{6, 6}));
    EXPECT_EQ(counts.sent(rank % 2), 12);
  }
}

// Many chunks of two groups: no two of them may be taken for one another.
TEST(RoutingBinding, ChunksOfAllGroupsStayApart) {
  const Plan plan = skewed_plan();
  const TaskGraph graph = baseline_step(plan);
  const RoutingBinding binding(plan);
  constexpr int kChunks = 100;
  for (const int rank : {0, 2}) {
    std::vector<int64_t> sum(2, 0);
    for (int chunk = 0; chunk < kChunks; ++chunk)
      for (size_t i = 0; i < 2; ++i) sum[i] += binding.counts(0, 0, rank, chunk, kChunks).slot_rows(0)[i];
    EXPECT_EQ(sum, binding.counts(0, 0, rank, 0, 1).slot_rows(0));
  }
  EXPECT_NE(binding.counts(0, 0, 0, 0, 1).slot_rows(0), binding.counts(0, 0, 2, 0, 1).slot_rows(0));
}

}  // namespace
}  // namespace moesaic
