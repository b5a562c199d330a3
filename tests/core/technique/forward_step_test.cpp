// The forward pass alone: nothing that it reads is missing, and nothing that outlives a step is written but the loss.
#include "core/technique/forward_step.h"

#include <gtest/gtest.h>

#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

void expect_complete(const Plan& plan) {
  const TaskGraph whole = lower(plan), graph = forward_step(whole);
  EXPECT_EQ(graph.tensors.size(), whole.tensors.size());
  OfTensors<bool> written(graph.tensors.size(), false);
  int losses = 0, sums = 0;
  for (const Task& task : graph.tasks) {
    for (const TensorId read : task.reads)
      EXPECT_TRUE(written[graph.base_of(read)] || graph.tensors[graph.base_of(read)].kind != TensorKind::activation)
          << task.label << " reads " << graph.tensors[read].name;
    for (const TensorId tensor : task.writes) {
      written[graph.base_of(tensor)] = true;
      EXPECT_TRUE(graph.tensors[graph.base_of(tensor)].kind == TensorKind::activation || tensor == graph.inputs.loss)
          << task.label << " writes " << graph.tensors[tensor].name;
    }
    losses += task.op == Op::cross_entropy ? 1 : 0;
    sums += task.phase != Phase::forward ? 1 : 0;
    for (const TaskIndex dependency : task.dependencies) EXPECT_LT(dependency, graph.tasks.next());
  }
  EXPECT_EQ(losses, plan.layout.micro_batches);
  EXPECT_EQ(sums, plan.layout.ranks > 1 ? 1 : 0);
}

TEST(ForwardStep, IsComplete) {
  for (int ranks : {1, 2, 4})
    for (int zero : {0, 2, 3})
      for (Tier home : {Tier::device, Tier::host, Tier::storage})
        for (Recompute recompute : {Recompute::none, Recompute::full}) {
          Plan plan = testing::tiny_plan(ranks, std::min(ranks, 2));
          plan.workload.global_batch = 8;
          plan.layout.zero = zero;
          plan.layout.micro_batches = 2;
          plan.layout.recompute = recompute;
          plan.prefetch.experts = home == Tier::device ? 0 : 1;
          (zero == 3 ? plan.fused_parameter_bytes : plan.gradient_bucket_bytes) = 1 << 20;
          plan.cluster.storage_read_bytes_per_s = plan.cluster.storage_write_bytes_per_s = 1e9;
          plan.expert_storage.home = home;
          check_plan(plan, "test");
          SCOPED_TRACE(std::to_string(ranks) + " ranks, zero " + std::to_string(zero) + ", home " +
                       std::to_string(static_cast<int>(home)));
          expect_complete(plan);
        }
}

}  // namespace
}  // namespace moesaic
