#include "core/graph/memory.h"

#include <gtest/gtest.h>

#include "core/steps/baseline_step.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

Tensor tensor(const std::string& name, TensorKind kind, int64_t elements) {
  Tensor made;
  made.name = name, made.kind = kind, made.fixed_rows = 1, made.row_elements = elements;
  return made;
}

Task task(const std::string& label, std::vector<TensorId> reads, std::vector<TensorId> writes) {
  Task made;
  made.label = label, made.reads = std::move(reads), made.writes = std::move(writes);
  return made;
}

/// w (10 f32) -> a (5) -> b (30) -> c (2); `unused` is never touched.
TaskGraph chain() {
  TaskGraph graph;
  graph.tensors = {tensor("w", TensorKind::parameter, 10), tensor("a", TensorKind::activation, 5),
                   tensor("b", TensorKind::activation, 30), tensor("c", TensorKind::activation, 2),
                   tensor("unused", TensorKind::activation, 1000)};
  graph.tasks = {task("first", {0}, {1}), task("second", {1}, {2}), task("third", {2}, {3})};
  return graph;
}

using IdsByTask = std::vector<std::vector<TensorId>>;

TEST(Memory, TensorsLiveFromFirstToLastUse) {
  const Liveness liveness = liveness_of(chain());
  EXPECT_EQ(liveness.created, (IdsByTask{{1}, {2}, {3}}));
  EXPECT_EQ(liveness.released, (IdsByTask{{}, {1}, {2, 3}}));
}

// Bytes while each task runs: 40 + 20 = 60, 40 + 20 + 120 = 180, 40 + 120 + 8 = 168.
TEST(Memory, PeakNamesTaskAndCulprit) {
  const Plan plan = testing::tiny_plan(1, 1);
  const TaskGraph graph = chain();
  const RoutingBinding binding(plan);
  const MemoryPeak peak = memory_peak(graph, binding, 0, 0);
  EXPECT_EQ(resident_bytes(chain()), 40);
  EXPECT_EQ(peak.bytes, 180);
  EXPECT_EQ(peak.task, 1);
  EXPECT_EQ(peak.largest, 2);
  EXPECT_EQ(peak.largest_bytes, 120);
}

// All rows of both sources go to experts of rank 0. 15,696 bytes are resident, 8 tokens per rank, counts take 32 bytes.
// Rank 0, experts dgrad: 90 elements per token (embedded 8, norm1 8 + 2, qkv 24, attention 8 + 2, sum 8, norm2 8 + 2,
//   probabilities 4, route 6, final norm's dx 8, d_weights 2) and 72 per received row (x 8, u 16, a 16, dy 8, du 16,
//   dx 8): 4 * (8 * 90 + 32 * 72) = 12,096.
// Rank 1, cross entropy: 130 per token (80 as above up to the route, sum 8, final norm 8 + 2, logits and their gradient
//   32) and 8 per row that it sent: 4 * (8 * 130 + 16 * 8) = 4,672.
TEST(Memory, PeakFollowsTheRouting) {
  Plan plan = testing::tiny_plan(2, 2);
  plan.routing.counts = {8, 8, 0, 0, 8, 8, 0, 0};
  plan.routing.num_iterations = plan.routing.num_moe_layers = 1;
  plan.routing.num_sources = 2, plan.routing.num_experts = 4;
  const TaskGraph graph = baseline_step(plan);
  const RoutingBinding binding(plan);
  const MemoryPeak receives = memory_peak(graph, binding, 0, 0), sends = memory_peak(graph, binding, 1, 0);
  EXPECT_EQ(receives.bytes, 15'696 + 32 + 12'096);
  EXPECT_EQ(receives.task, testing::find_task(graph, "layer 0 / backward / experts dgrad"));
  EXPECT_EQ(sends.bytes, 15'696 + 32 + 4'672);
  EXPECT_EQ(sends.task, testing::find_task(graph, "forward / cross entropy"));
}

}  // namespace
}  // namespace moesaic
