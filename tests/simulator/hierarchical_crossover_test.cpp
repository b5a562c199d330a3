// From which cost of a message on the hierarchical all-to-all wins, and what sending a token to a node once saves,
// against the closed forms.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/technique/lower.h"
#include "tests/simulator/hand_made_graph.h"

namespace moesaic::simulator {
namespace {

constexpr int kNodes = 2, kPerNode = 4, kRanks = kNodes * kPerNode;
constexpr Bytes kPairBytes = 40'000;  // 10 rows of 1000 values of f32
constexpr Seconds kInsideLatency = 20e-6;

/// One expert per rank, every rank sends 10 rows to each; one card of 1 GB/s per node, ports of 10 GB/s inside.
Plan exchange(AllToAllKind kind, Seconds message_s) {
  Plan plan = small_plan(kNodes, kPerNode);
  Model& m = plan.model;
  m.family = "gpt_moe";
  m.num_layers = m.num_heads = m.num_kv_heads = m.top_k = 1;
  m.hidden = m.head_dim = 1000;
  m.vocabulary = m.expert_intermediate = m.dense_intermediate = 16;
  m.num_experts = kRanks;
  m.moe_layers = {true};
  plan.cluster.nics_per_node = 1;
  plan.cluster.intra_node.latency_s = kInsideLatency;
  plan.cluster.nic.latency_s = 1e-3;
  plan.cluster.nic.message_s = message_s;
  plan.cluster.device.memory_bytes = int64_t{1} << 40;
  plan.workload.phase = WorkloadPhase::prefill;
  plan.workload.sequence_length = 10 * kRanks;
  plan.layout = {kRanks, kRanks, 1};
  plan.dispatch.all_to_all = kind;
  return plan;
}

/// From the first start to the last end of the tasks of the dispatch.
Seconds dispatch_seconds(const Plan& plan) {
  const Timeline timeline = simulate_in_child(lower(plan), plan).timeline;
  const std::string label = "layer 0 / forward / dispatch";
  Seconds first = 1e300, last = 0;
  for (const TaskTime& time : timeline.times) {
    const std::string& of = timeline.rows[static_cast<size_t>(time.task)].label;
    if (of != label && !of.starts_with(label + " / ")) continue;
    first = std::min(first, time.start);
    last = std::max(last, time.end);
  }
  return last - first;
}

Seconds dispatch_seconds(AllToAllKind kind, Seconds message_s) { return dispatch_seconds(exchange(kind, message_s)); }

Seconds gain(Seconds message_s) {
  return dispatch_seconds(AllToAllKind::flat, message_s) - dispatch_seconds(AllToAllKind::hierarchical_2d, message_s);
}

// A card sends p (R - p) = 16 messages of 40 kB: 1 ms + 16 (g + 40 us). In two phases p - 1 = 3 messages of 80 kB go
// inside the node, 20 us + 24 us, then a card sends p (R / p - 1) = 4 messages of 160 kB: 1 ms + 4 (g + 160 us).
TEST(HierarchicalCrossover, TimesAreTheClosedForm) {
  for (const Seconds g : {0.0, 5e-6, 1e-4}) {
    EXPECT_NEAR(dispatch_seconds(AllToAllKind::flat, g), 1.64e-3 + 16 * g, 1e-8);
    EXPECT_NEAR(dispatch_seconds(AllToAllKind::hierarchical_2d, g), 44e-6 + 1.64e-3 + 4 * g, 1e-8);
  }
}

// So hierarchical loses 44 us where messages are free and wins from g = 44 / 12 = 3.667 us on.
TEST(HierarchicalCrossover, WinsFromTheComputedCostOn) {
  EXPECT_NEAR(gain(0), -44e-6, 1e-8);
  EXPECT_LT(gain(3.66e-6), 0);
  EXPECT_GT(gain(3.67e-6), 0);
  EXPECT_NEAR(gain(1e-4), 1.156e-3, 1e-8);
}

// 10 tokens a rank, each for all 8 experts. Flat, a card sends 16 messages of 10 rows of 4 kB: 1 ms + 0.64 ms. Once,
// its 4 ranks send 40 places of 4 bytes each, 1 ms + 0.64 us, and 10 rows each, 1 ms + 0.16 ms; then each rank has 10
// rows of 2 sources for 3 others, 20 us + 24 us. So it loses where only latency counts, and wins where bytes do: with a
// tenth of the card's rate, 7.4 against 3.65 ms.
TEST(NodeLimited, TimesAreTheClosedForm) {
  for (const double rate : {1e9, 1e8})
    for (const AllToAllKind kind : {AllToAllKind::flat, AllToAllKind::node_limited}) {
      Plan plan = exchange(kind, 0);
      plan.model.top_k = kRanks;
      plan.workload.sequence_length = 10;
      plan.cluster.nic.bandwidth_bytes_per_s = rate;
      const Seconds flat = 1e-3 + 640e3 / rate, once = 2e-3 + 160'640 / rate + 44e-6;
      EXPECT_NEAR(dispatch_seconds(plan), kind == AllToAllKind::flat ? flat : once, 1e-8) << rate;
    }
}

}  // namespace
}  // namespace moesaic::simulator
