#include "core/timeline/memory_series.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "core/graph/memory.h"
#include "tests/core/timeline/sample_timeline.h"

namespace moesaic {
namespace {

/// A tensor of so many floats.
Tensor floats(TensorKind kind, Tier tier, int64_t count) {
  Tensor tensor{"t", kind, DType::f32, Rows::fixed, 1, count};
  tensor.tier = tier;
  return tensor;
}

/// Four ranks; per rank on the device 40 + 8 B of parameters, 4 B of inputs; in host memory 12 B of gradients and 20 B
/// of states.
TaskGraph offloaded_graph() {
  TaskGraph graph;
  graph.num_ranks = 4;
  graph.tensors = {floats(TensorKind::parameter, Tier::device, 10), floats(TensorKind::parameter, Tier::device, 2),
                   floats(TensorKind::input, Tier::device, 1),      floats(TensorKind::activation, Tier::device, 1000),
                   floats(TensorKind::gradient, Tier::host, 3),     floats(TensorKind::optimizer, Tier::host, 5),
                   floats(TensorKind::parameter, Tier::device, 10)};
  graph.tensors.back().view_of = 0;  // no memory of its own
  return graph;
}

Cluster two_per_node() {
  Cluster cluster;
  cluster.num_nodes = 2;
  cluster.devices_per_node = 2;
  cluster.device.memory_bytes = 1000;
  cluster.host_memory_bytes = 500;
  cluster.storage_bytes = 9000;
  return cluster;
}

using Held = std::vector<std::pair<TensorKind, Bytes>>;

TEST(TierMemories, AreByKindAndOfTheRanksThatShareThem) {
  const TaskGraph graph = offloaded_graph();
  const std::vector<TierMemory> tiers = tier_memories(graph, two_per_node());
  ASSERT_EQ(tiers.size(), 2u);  // nothing lives on storage
  EXPECT_EQ(tiers[0].tier, Tier::device);
  EXPECT_EQ(tiers[0].ranks, 1);
  EXPECT_EQ(tiers[0].capacity_bytes, 1000);
  EXPECT_EQ(tiers[0].held, (Held{{TensorKind::parameter, 48}, {TensorKind::input, 4}}));
  EXPECT_EQ(tiers[0].held_bytes(), resident_bytes(graph));
  // A node has 2 of the 4 ranks: 2 * 12 and 2 * 20.
  EXPECT_EQ(tiers[1].tier, Tier::host);
  EXPECT_EQ(tiers[1].ranks, 2);
  EXPECT_EQ(tiers[1].capacity_bytes, 500);
  EXPECT_EQ(tiers[1].held, (Held{{TensorKind::gradient, 24}, {TensorKind::optimizer, 40}}));
  EXPECT_EQ(tiers[1].held_bytes(), 2 * resident_bytes(graph, Tier::host));
}

// Two stages of two ranks: a tensor that only the second one's task writes is not held by rank 0.
TEST(TierMemories, AreThoseOfTheRanksStage) {
  TaskGraph graph;
  graph.num_ranks = 4;
  graph.num_stages = 2;
  for (const int64_t elements : {2, 8}) {
    graph.tensors.push_back({"w", TensorKind::parameter, DType::f32, Rows::fixed, 1, elements});
    Task& task = graph.tasks.emplace_back();
    task.stage = static_cast<int>(graph.tensors.size()) - 1;
    task.writes = {task.stage};
  }
  EXPECT_EQ(tier_memories(graph, two_per_node(), 1)[0].held, (Held{{TensorKind::parameter, 8}}));
  EXPECT_EQ(tier_memories(graph, two_per_node(), 2)[0].held, (Held{{TensorKind::parameter, 32}}));
}

TEST(RankOfPeak, IsTheFirstWithTheHighestSample) {
  EXPECT_EQ(rank_of_peak(sample_timeline()), 0);
  Timeline timeline;
  EXPECT_EQ(rank_of_peak(timeline), 0);
  timeline.memory = {{0, 0, 5}, {2, 0, 9}, {1, 1, 9}};
  EXPECT_EQ(rank_of_peak(timeline), 1);
}

TEST(MemoryCurves, HighestPeakFirst) {
  const std::vector<MemoryCurve> curves = memory_curves(sample_timeline(), 100);
  ASSERT_EQ(curves.size(), 2u);
  EXPECT_EQ(curves[0].rank, 0);
  EXPECT_EQ(curves[0].peak_bytes, 3000);
  EXPECT_EQ(curves[0].peak_time_s, 0.004);
  EXPECT_EQ(curves[0].time_s, (std::vector<Seconds>{0, 0.004}));
  EXPECT_EQ(curves[0].bytes, (std::vector<Bytes>{1000, 3000}));
  EXPECT_EQ(curves[1].rank, 1);
  EXPECT_EQ(curves[1].peak_bytes, 2500);
}

TEST(MemoryCurves, ThinnedKeepFirstLeastMostAndLastOfEachStretch) {
  // 8 points are 2 stretches, [0, 5) and [5, 10]. The first holds 50 90 20 60 30: all but 60 remain. The second holds
  // 10 40 70 70 5: first 10, most 70 (the earlier), last and least 5.
  Timeline timeline;
  const Bytes bytes[] = {50, 90, 20, 60, 30, 10, 40, 70, 70, 5};
  const Seconds times[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 10};
  for (size_t i = 0; i < 10; ++i) timeline.memory.push_back({0, times[i], bytes[i]});
  const MemoryCurve curve = memory_curves(timeline, 8).front();
  EXPECT_EQ(curve.time_s, (std::vector<Seconds>{0, 1, 2, 4, 5, 7, 10}));
  EXPECT_EQ(curve.bytes, (std::vector<Bytes>{50, 90, 20, 30, 10, 70, 5}));
}

TEST(MemoryCurves, ThinnedKeepExtremesAndTheBound) {
  for (const size_t most : {4u, 5u, 100u, 500u}) {
    Timeline timeline;
    std::mt19937 random(7);
    std::exponential_distribution<> gap(1e4);  // bursts
    Seconds now = 0;
    for (int i = 0; i < 20'000; ++i)
      timeline.memory.push_back({0, now += gap(random), static_cast<Bytes>(random() % 1'000'000)});
    const auto [low, high] = std::minmax_element(timeline.memory.begin(), timeline.memory.end(),
                                                 [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
    const MemoryCurve curve = memory_curves(timeline, most).front();
    EXPECT_LE(curve.bytes.size(), most);
    EXPECT_EQ(*std::min_element(curve.bytes.begin(), curve.bytes.end()), low->bytes);
    EXPECT_EQ(*std::max_element(curve.bytes.begin(), curve.bytes.end()), high->bytes);
    EXPECT_EQ(curve.peak_bytes, high->bytes);
    EXPECT_EQ(curve.peak_time_s, high->time);
    EXPECT_EQ(curve.time_s.front(), timeline.memory.front().time);
    EXPECT_EQ(curve.time_s.back(), timeline.memory.back().time);
    EXPECT_EQ(curve.bytes.back(), timeline.memory.back().bytes);
    EXPECT_TRUE(std::is_sorted(curve.time_s.begin(), curve.time_s.end()));
  }
}

TEST(MemoryCurves, NoSamplesNoCurve) { EXPECT_TRUE(memory_curves(Timeline{}, 500).empty()); }

TEST(WriteMemory, ByTierWithUnitsInTheNames) {
  // The span of the sample is 10 ms; rank 0 has the higher peak. Host memory: 24 + 40 B of a node, all the time.
  const Json json = write_memory(sample_timeline(), tier_memories(offloaded_graph(), two_per_node()));
  EXPECT_EQ(json, Json::parse(R"({
    "device": {"first_rank": 0, "ranks": 1, "capacity_bytes": 1000, "peak_bytes": 3000, "peak_time_s": 0.004,
               "held_bytes": {"parameters": 48, "inputs": 4}, "time_s": [0.0, 0.004], "bytes": [1000, 3000]},
    "host": {"first_rank": 0, "ranks": 2, "capacity_bytes": 500, "peak_bytes": 64, "peak_time_s": 0.0,
             "held_bytes": {"expert gradients": 24, "expert states": 40}, "time_s": [0.0, 0.01], "bytes": [64, 64]}
  })"));
  Timeline measured = sample_timeline();
  measured.measured = true;
  Json device = json;
  device.erase("host");
  EXPECT_EQ(write_memory(measured, tier_memories(offloaded_graph(), two_per_node())), device);
}

}  // namespace
}  // namespace moesaic
