#include <gtest/gtest.h>

#include "core/graph/operands.h"
#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using testing::tiny_plan;
using Labels = std::vector<std::string>;

Plan late_plan(int ranks, int ep) {
  Plan plan = tiny_plan(ranks, ep);
  plan.gradient_reduction = GradientReduction::after_backward;
  return plan;
}

/// Of the reductions of gradients; true where the last task of backward that computes is not awaited.
bool starts_earlier(const TaskGraph& graph, const Task& reduction) {
  TaskIndex last = -1;
  for (size_t i = 0; i < graph.tasks.size(); ++i)
    if (graph.tasks[i].phase == Phase::backward && graph.tasks[i].lane == Lane::compute) last = TaskIndex(i);
  return std::find(reduction.dependencies.begin(), reduction.dependencies.end(), last) == reduction.dependencies.end();
}

// The same reductions as without, in the order in which backward completes gradients, all of them behind its last task:
// embed_backward.
TEST(ReduceAfterBackward, MovesAllReductionsBehindTheLastTaskOfBackward) {
  const TaskGraph early = lower(tiny_plan(2, 2)), late = lower(late_plan(2, 2));
  Labels reductions, computed, expected;
  for (const Task& task : early.tasks)
    (is_collective(task.op) && task.label.find("reduce") != std::string::npos ? reductions : computed)
        .push_back(task.label);
  for (const std::string& label : computed) {
    if (label == "update / check gradients from embedding")
      expected.insert(expected.end(), reductions.begin(), reductions.end());
    expected.push_back(label);
  }
  EXPECT_EQ(reductions.size(), 7u);
  EXPECT_EQ(testing::labels_of(late), expected);
  for (const Task& task : late.tasks) {
    if (task.label.find("reduce") == std::string::npos) continue;
    EXPECT_FALSE(starts_earlier(late, task)) << task.label;
  }
}

// lower() verifies each.
TEST(ReduceAfterBackward, GoesWithEveryDivisionThatKeepsGradients) {
  for (int pp : {1, 2})
    for (int zero : {0, 1})
      for (Tier home : {Tier::device, Tier::host})
        for (Bytes buckets : {Bytes{0}, Bytes{1} << 20}) {
          if (pp > 1 && (zero > 0 || home != Tier::device)) continue;
          Plan plan = late_plan(4, 2);
          plan.model.num_layers = 2, plan.model.moe_layers = {true, true};
          plan.layout.pp = pp, plan.layout.zero = zero, plan.layout.micro_batches = 2;
          plan.workload.global_batch = 16;
          plan.expert_storage.home = home;
          plan.gradient_bucket_bytes = buckets;
          check_plan(plan, "test");
          EXPECT_NO_THROW(lower(plan)) << pp << " stages, zero " << zero << ", buckets " << buckets;
        }
}

}  // namespace
}  // namespace moesaic
