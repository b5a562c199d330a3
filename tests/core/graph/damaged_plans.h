#pragma once
// Lowered plans with one thing wrong, and what verify() says of them.

#include <gtest/gtest.h>

#include <functional>

#include "core/graph/verify.h"
#include "core/schema/error.h"
#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic::testing {

inline Tensor& tensor_named(TaskGraph& graph, const std::string& name) {
  for (Tensor& tensor : graph.tensors)
    if (tensor.name == name) return tensor;
  throw std::out_of_range(name);
}
/// Dependencies count places: without them a task can come or go, as it does between two passes.
inline void drop_dependencies(TaskGraph& graph) {
  for (Task& task : graph.tasks) task.dependencies.clear();
}
inline void erase(TaskGraph& graph, const std::string& label) {
  drop_dependencies(graph);
  graph.tasks.erase(graph.tasks.begin() + find_task(graph, label).value());
}
/// Puts a copy right behind the original.
inline void repeat(TaskGraph& graph, const std::string& label) {
  drop_dependencies(graph);
  const TaskIndex place = find_task(graph, label);
  Task again = graph.tasks.at(place);
  again.label += ", again";
  graph.tasks.insert(graph.tasks.begin() + place.value() + 1, again);
}

/// Two ranks that share two experts each.
inline Plan plain() { return tiny_plan(2, 2); }
/// Two nodes of two ranks, two chunks, one bucket.
inline Plan cut() {
  Plan plan = tiny_plan(4, 4);
  plan.dispatch.chunks = 2;
  plan.dispatch.all_to_all = AllToAllKind::hierarchical_2d;
  plan.gradient_bucket_bytes = 1 << 20;
  return plan;
}
/// Two nodes of two ranks, to which tokens go once.
inline Plan once_per_node() {
  Plan plan = tiny_plan(4, 4);
  plan.dispatch.all_to_all = AllToAllKind::node_limited;
  return plan;
}
/// Every parameter of two ranks its own group, two microbatches.
inline Plan divided(int zero) {
  Plan plan = tiny_plan(2, 1);
  plan.layout.micro_batches = 2;
  plan.layout.zero = zero;
  return plan;
}
/// Two stages of two ranks, two microbatches, forward again in backward.
inline Plan pipelined() {
  Plan plan = tiny_plan(4, 2);
  plan.model.num_layers = 2;
  plan.model.moe_layers = {false, true};
  plan.layout.pp = plan.layout.micro_batches = 2;
  plan.layout.recompute = Recompute::full;
  return plan;
}
/// Each half of the experts on two of four ranks, in host memory.
inline Plan offloaded() {
  Plan plan = tiny_plan(4, 2);
  plan.expert_storage.home = Tier::host;
  return plan;
}
inline Plan stored() {
  Plan plan = offloaded();
  plan.expert_storage.home = Tier::storage;
  plan.cluster.storage_bytes = Bytes{1} << 30;
  plan.cluster.storage_read_bytes_per_s = plan.cluster.storage_write_bytes_per_s = 1e9;
  return plan;
}
/// Expert 0 on both ranks of either group, expert 2 twice on the second one; two microbatches.
inline Plan replicated(int zero) {
  Plan plan = tiny_plan(4, 2);
  plan.placement = {{3, {0, 1, 3, /**/ 2, 0, 2}}};
  plan.workload.global_batch = 8;
  plan.layout.micro_batches = 2;
  plan.layout.zero = zero;
  return plan;
}
inline Plan partitioned() {
  Plan plan = tiny_plan(2, 2);
  plan.embedding = Embedding::column_partition;
  return plan;
}
inline Plan tensor_parallel() {
  Plan plan = tiny_plan(2, 2);
  plan.layout.tp = 2;
  return plan;
}

struct Damage {
  const char* complaint;
  std::function<void(TaskGraph&)> damage;
};

/// What verify() says about the lowered plan after `damage`; "" when it accepts.
inline std::string complaint(const Plan& plan, const std::function<void(TaskGraph&)>& damage) {
  check_plan(plan, "test");
  TaskGraph graph = lower(plan);
  damage(graph);
  try {
    verify(graph, "damage");
  } catch (const InvariantError& error) {
    return error.what();
  }
  return "";
}

inline void expect_complaints(const Plan& plan, const std::vector<Damage>& cases) {
  EXPECT_EQ(complaint(plan, [](TaskGraph&) {}), "");
  for (const Damage& c : cases)
    EXPECT_NE(complaint(plan, c.damage).find("after damage, " + std::string(c.complaint)), std::string::npos)
        << c.complaint << "\n"
        << complaint(plan, c.damage);
}

}  // namespace moesaic::testing
