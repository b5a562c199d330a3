#include <gtest/gtest.h>

#include <map>

#include "core/graph/memory.h"
#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using Labels = std::vector<std::string>;

Plan recomputed(int ranks, int ep, Recompute recompute, int layers = 1) {
  Plan plan = testing::tiny_plan(ranks, ep);
  plan.layout.recompute = recompute;
  plan.model.num_layers = layers;
  plan.model.moe_layers.assign(static_cast<size_t>(layers), true);
  check_plan(plan, "test");
  return plan;
}

/// What runs again, without "layer 0 / backward / recompute / ".
Labels again(const Plan& plan) {
  const std::string prefix = "layer 0 / backward / recompute / ";
  Labels labels;
  for (const std::string& label : testing::labels_of(lower(plan)))
    if (label.starts_with(prefix)) labels.push_back(label.substr(prefix.size()));
  return labels;
}

// The router and the counts are kept; the layer's output (unpermute) is the next one's input.
TEST(Recompute, FullRepeatsWhatBackwardReadsAndItsExchanges) {
  EXPECT_EQ(again(recomputed(2, 2, Recompute::none)), Labels{});
  EXPECT_EQ(again(recomputed(2, 2, Recompute::full)),
            (Labels{"norm1", "qkv", "attention", "out", "attention residual", "norm2", "permute", "dispatch",
                    "dispatch regroup", "experts", "combine regroup", "combine"}));
}

TEST(Recompute, CommunicationAwareRepeatsNoCollective) {
  EXPECT_EQ(again(recomputed(2, 2, Recompute::communication_aware)),
            (Labels{"norm1", "qkv", "attention", "out", "attention residual", "norm2", "experts"}));
}

TEST(Recompute, RunsRightBeforeTheBackwardPassOfItsLayer) {
  const Labels labels = testing::labels_of(lower(recomputed(1, 1, Recompute::full, 2)));
  const auto at = [&](const std::string& label) {
    return std::find(labels.begin(), labels.end(), label) - labels.begin();
  };
  EXPECT_EQ(at("layer 1 / backward / recompute / norm1"), at("backward / final_norm") + 1);
  EXPECT_EQ(at("layer 0 / backward / recompute / norm1"), at("layer 1 / backward / norm1 residual") + 1);
  EXPECT_EQ(at("layer 0 / backward / unpermute"), at("layer 0 / backward / recompute / experts") + 1);
}

TEST(Recompute, WhatRunsAgainIsCutIntoChunks) {
  Plan plan = recomputed(2, 2, Recompute::full);
  plan.dispatch.chunks = 2;
  const Labels labels = again(plan);
  EXPECT_EQ(std::count(labels.begin(), labels.end(), "dispatch / chunk 1"), 1);
  EXPECT_EQ(std::count(labels.begin(), labels.end(), "dispatch"), 0);
}

/// Growth of rank 0's activations with each layer.
Bytes kept_per_layer(int ranks, Recompute recompute) {
  const auto activations = [&](int layers) {
    const Plan plan = recomputed(ranks, ranks, recompute, layers);
    const TaskGraph graph = lower(plan);
    const RoutingBinding binding(plan);
    return memory_peak(graph, binding, 0, 0).bytes - resident_bytes(graph);
  };
  return activations(12) - activations(11);
}

// One rank: T = 16 tokens, 32 rows, f32. Input 16 * 8 * 4 = 512; router: probabilities 16 * 4 * 4 = 256, route
// 16 * 6 * 4 = 384, counts 4 * 4 = 16. Otherwise kept: norms 2 * (512 + 128), qkv 1536, attended 512, its sums 128,
// attention's output 512, rows sent and returned 2 * 1024, experts 2 * 32 * 16 * 4 = 4096.
TEST(Recompute, ALayerKeepsItsInputAndTheRoutersChoices) {
  EXPECT_EQ(kept_per_layer(1, Recompute::none), 512 + 256 + 384 + 16 + 1280 + 1536 + 512 + 128 + 512 + 2048 + 4096);
  EXPECT_EQ(kept_per_layer(1, Recompute::full), 512 + 256 + 384 + 16);
}

// Two ranks, 8 tokens and 16 rows each: half of that, the counts of both ranks 32. Rows that arrived and rows that
// returned: 16 * 8 * 4 = 512 each.
TEST(Recompute, CommunicationAwareKeepsTheRowsThatTravelledToo) {
  EXPECT_EQ(kept_per_layer(2, Recompute::full), 256 + 128 + 192 + 32);
  EXPECT_EQ(kept_per_layer(2, Recompute::communication_aware), 256 + 128 + 192 + 32 + 2 * 512);
}

}  // namespace
}  // namespace moesaic
