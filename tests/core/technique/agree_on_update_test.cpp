#include "core/technique/agree_on_update.h"

#include <gtest/gtest.h>

#include <set>

#include "core/graph/operands.h"
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

using Reads = std::multiset<TensorId>;

/// Gradients that updates read on the device, and signals of those that have left it.
Reads updated_from(const TaskGraph& graph, bool loads) {
  const OfTensors<TensorId> originals = originals_of(graph);
  Reads reads;
  for (const Task& task : graph.tasks) {
    if (!is_update(task)) continue;
    for (TensorId read : task.reads) reads.insert(originals[read]);
    if (task.op == Op::update_experts && loads) reads.erase(task.reads.back());
  }
  return reads;
}

/// Each gradient is looked at once, with as many rows as it has elements, and the verdict waits for all looks.
void expect_checks(const TaskGraph& graph, const Plan& plan, TaskIndex verdict) {
  Reads reads;
  std::set<TensorId> signals;
  for (const Task& task : graph.tasks) {
    if (!checks_gradients(task.op)) continue;
    signals.insert(output_of(task));
    reads.insert(task.reads.begin(), task.reads.end());
    if (task.op == Op::check_experts) continue;
    EXPECT_EQ(task.op, plan.workload.optimizer.clips() ? Op::sum_squares : Op::check_gradients);
    int64_t elements = 0;
    for (TensorId read : task.reads) elements += graph.tensors[read].fixed_rows * graph.tensors[read].row_elements;
    EXPECT_EQ(task.fixed_rows, elements) << task.label;
  }
  EXPECT_EQ(reads, updated_from(graph, plan.expert_storage.home == Tier::storage));
  const std::vector<TensorId>& awaited = graph.tasks[verdict].after;
  EXPECT_EQ(std::set<TensorId>(awaited.begin(), awaited.end()), signals);
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
  expect_checks(graph, plan, verdict);
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

// Embedding, final norm and head stand outside the one layer.
TEST(AgreeOnUpdate, LooksOncePerLayer) {
  const TaskGraph graph = lower(testing::tiny_plan(2, 2));
  std::vector<std::string> labels;
  for (const Task& task : graph.tasks)
    if (checks_gradients(task.op)) labels.push_back(task.label);
  EXPECT_EQ(labels, (std::vector<std::string>{"update / check gradients from embedding",
                                              "update / check gradients from layers.0.norm1"}));
}

TEST(AgreeOnUpdate, IsNothingWhereNothingIsUpdated) {
  Plan plan = testing::tiny_plan(2, 2);
  plan.workload.phase = WorkloadPhase::prefill;
  EXPECT_EQ(verdict_task(lower(plan)), -1);
}

}  // namespace
}  // namespace moesaic
