#include "core/technique/agree_on_update.h"

#include <gtest/gtest.h>

#include <set>

#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

bool is_update(const Task& task) { return task.op == Op::adamw || task.op == Op::update_experts; }

/// Tasks that must be complete before this one starts, through any number of others.
std::set<TaskIndex> ancestors(const TaskGraph& graph, TaskIndex task) {
  std::set<TaskIndex> found;
  std::vector<TaskIndex> open = {task};
  while (!open.empty()) {
    const TaskIndex next = open.back();
    open.pop_back();
    for (TaskIndex dependency : graph.tasks[next].dependencies)
      if (found.insert(dependency).second) open.push_back(dependency);
  }
  return found;
}

/// The tasks that complete a gradient: in backward they write what an update reads, or memory that it shares.
std::vector<TaskIndex> writers_of_gradients(const TaskGraph& graph) {
  std::set<TensorId> memory;
  for (const Task& task : graph.tasks)
    if (is_update(task))
      for (TensorId read : task.reads) memory.insert(graph.base_of(read));
  std::vector<TaskIndex> writers;
  for (size_t i = 0; i < graph.tasks.size(); ++i)
    for (TensorId written : graph.tasks[i].writes)
      if (graph.tasks[i].phase == Phase::backward && memory.contains(graph.base_of(written)))
        writers.push_back(TaskIndex(i));
  return writers;
}

/// Every update waits for every gradient; with several ranks through the sum of the losses, where all of them meet.
void expect_agreement(const Plan& plan) {
  const TaskGraph graph = lower(plan);
  const TaskIndex verdict = verdict_task(graph);
  ASSERT_GE(verdict, 0);
  EXPECT_EQ(graph.tasks[verdict].op, plan.layout.ranks > 1 ? Op::all_reduce : Op::adamw);
  const std::vector<TaskIndex> writers = writers_of_gradients(graph);
  ASSERT_GE(writers.size(), 2u);
  const std::set<TaskIndex> before = ancestors(graph, verdict);
  for (TaskIndex writer : writers) EXPECT_TRUE(before.contains(writer)) << graph.tasks[writer].label;
  int updates = 0;
  for (size_t i = 0; i < graph.tasks.size(); ++i) {
    if (!is_update(graph.tasks[i]) || TaskIndex(i) == verdict) continue;
    EXPECT_TRUE(ancestors(graph, TaskIndex(i)).contains(verdict)) << graph.tasks[i].label;
    ++updates;
  }
  EXPECT_GE(updates, 1);
}

// Two losses, and where gradients are clipped 15 words of the sum of their squares: doubles of 8 bytes.
TEST(AgreeOnUpdate, CarriesTheNormOfClippedGradients) {
  Plan plan = testing::tiny_plan(2, 2);
  const auto bytes = [&] {
    const TaskGraph graph = lower(plan);
    return graph.tasks[verdict_task(graph)].bytes;
  };
  EXPECT_EQ(bytes(), 16);
  plan.workload.optimizer.max_gradient_norm = 1;
  EXPECT_EQ(bytes(), 136);
  expect_agreement(plan);
}

TEST(AgreeOnUpdate, HoldsForEveryDivisionOfTheStates) {
  for (int ranks : {1, 2, 4})
    for (int zero : {0, 1, 2, 3})
      for (Tier home : {Tier::device, Tier::host, Tier::storage})
        for (int micro_batches : {1, 2})
          for (Bytes fused : {Bytes{0}, Bytes{1} << 20}) {
            Plan plan = testing::tiny_plan(ranks, std::min(ranks, 2));
            plan.workload.global_batch = 8;
            plan.layout.zero = zero;
            plan.layout.micro_batches = micro_batches;
            (zero == 3 ? plan.fused_parameter_bytes : plan.gradient_bucket_bytes) = fused;
            plan.cluster.storage_read_bytes_per_s = plan.cluster.storage_write_bytes_per_s = 1e9;
            plan.expert_storage.home = home;
            check_plan(plan, "test");
            SCOPED_TRACE(std::to_string(ranks) + " ranks, zero " + std::to_string(zero) + ", home " +
                         std::to_string(static_cast<int>(home)) + ", " + std::to_string(micro_batches) +
                         " microbatches, " + std::to_string(fused) + " bytes");
            expect_agreement(plan);
          }
}

TEST(AgreeOnUpdate, IsNothingWhereNothingIsUpdated) {
  Plan plan = testing::tiny_plan(2, 2);
  plan.workload.phase = WorkloadPhase::prefill;
  EXPECT_EQ(verdict_task(lower(plan)), -1);
}

}  // namespace
}  // namespace moesaic
