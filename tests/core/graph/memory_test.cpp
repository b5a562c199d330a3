#include "core/graph/memory.h"

#include <gtest/gtest.h>

#include "core/graph/baseline.h"
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

using Ids = std::vector<std::vector<TensorId>>;

TEST(Memory, tensors_live_from_first_to_last_use) {
  const Liveness liveness = liveness_of(chain());
  EXPECT_EQ(liveness.created, (Ids{{1}, {2}, {3}}));
  EXPECT_EQ(liveness.released, (Ids{{}, {1}, {2, 3}}));
}

// Bytes while each task runs: 40 + 20 = 60, 40 + 20 + 120 = 180, 40 + 120 + 8 = 168.
TEST(Memory, peak_names_task_and_culprit) {
  const Plan plan = testing::tiny_plan(1, 1);
  const TaskGraph graph = chain();
  const RoutingBinding binding(graph, plan);
  const MemoryPeak peak = memory_peak(graph, binding, 0, 0);
  EXPECT_EQ(resident_bytes(chain()), 40);
  EXPECT_EQ(peak.bytes, 180);
  EXPECT_EQ(peak.task, 1);
  EXPECT_EQ(peak.largest, 2);
  EXPECT_EQ(peak.largest_bytes, 120);
}

// A rank that receives more rows needs more memory: all rows of both sources go to experts of rank 0.
TEST(Memory, peak_follows_the_routing) {
  Plan plan = testing::tiny_plan(2, 2);
  plan.routing.counts = {8, 8, 0, 0, 8, 8, 0, 0};
  plan.routing.num_iterations = plan.routing.num_moe_layers = 1;
  plan.routing.num_sources = 2, plan.routing.num_experts = 4;
  const TaskGraph graph = baseline_step(plan);
  const RoutingBinding binding(graph, plan);
  EXPECT_GT(memory_peak(graph, binding, 0, 0).bytes, memory_peak(graph, binding, 1, 0).bytes);
}

}  // namespace
}  // namespace moesaic
