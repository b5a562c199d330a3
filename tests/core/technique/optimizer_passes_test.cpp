#include <gtest/gtest.h>

#include "core/graph/operands.h"
#include "core/operators/optimizer.h"
#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using operands::AdamW, operands::FlattenGradients;
using testing::tiny_plan;

Plan separate_plan(int ranks, int ep) {
  Plan plan = tiny_plan(ranks, ep);
  plan.optimizer_passes = OptimizerPasses::separate;
  return plan;
}

// Nine parameters of a rank: two norms and the last, router, qkv, out, embedding, up and down. All copies are made
// before the first update, so that they stand in memory together, and every update reads its own.
TEST(OptimizerPasses, CopiesAllGradientsBeforeTheFirstUpdate) {
  const TaskGraph graph = lower(separate_plan(2, 2));
  std::vector<const Task*> copies, updates;
  for (const Task& task : graph.tasks) {
    if (task.op == Op::flatten_gradients) {
      EXPECT_TRUE(updates.empty()) << task.label;
      copies.push_back(&task);
    }
    if (task.op == Op::adamw) updates.push_back(&task);
  }
  ASSERT_EQ(copies.size(), 9u);
  ASSERT_EQ(updates.size(), 9u);
  const OfTensors<TensorId> originals = originals_of(graph);
  for (size_t i = 0; i < updates.size(); ++i) {
    const TensorId copy = updates[i]->reads[AdamW::gradient];
    EXPECT_EQ(copies[i]->writes[FlattenGradients::copy_of_parameter(0)], copy);
    EXPECT_EQ(originals[copy], updates[i]->writes[AdamW::cleared]);
    EXPECT_EQ(graph.tensors[copy].dtype, DType::f32);
    EXPECT_EQ(graph.tensors[copies[i]->writes[FlattenGradients::widened]].row_elements, updates[i]->fixed_rows);
    EXPECT_EQ(copies[i]->label, "update / gradients of " + updates[i]->label.substr(9));
  }
}

// Bytes an element in bf16. Copies: 2 + 4 widened, 4 summed, 2 + 4 widened, 4 + 4 copied, 4 summed, 4 + 4 scaled = 36.
// AdamW: weight, both moments in f32 read and written 24, gradient in f32 read and cleared 8, weight written 2 = 34.
TEST(OptimizerPasses, MoveSeventyBytesAnElement) {
  Plan plan = separate_plan(1, 1);
  plan.cluster.device.lanes_share_core = false;
  plan.workload.compute_dtype = plan.model.weight_dtype = DType::bf16;
  double bytes = 0, elements = 0;
  for (const Task& task : lower(plan).tasks) {
    if (task.op != Op::flatten_gradients && task.op != Op::adamw) continue;
    bytes += traffic_of(task.op, task.shape, task.fixed_rows, 1, stored_as(task));
    elements += task.op == Op::adamw ? static_cast<double>(task.fixed_rows) : 0;
  }
  EXPECT_EQ(bytes, 70 * elements);
}

// lower() verifies each.
TEST(OptimizerPasses, GoWithEveryDivisionOfTheStates) {
  for (int zero : {0, 1, 2, 3})
    for (Tier home : {Tier::device, Tier::host})
      for (Bytes fused : {Bytes{0}, Bytes{1} << 20}) {
        Plan plan = separate_plan(4, 2);
        plan.workload.global_batch = 8;
        plan.layout.zero = zero, plan.layout.micro_batches = 2;
        plan.expert_storage.home = home;
        (zero == 3 ? plan.fused_parameter_bytes : plan.gradient_bucket_bytes) = fused;
        check_plan(plan, "test");
        EXPECT_NO_THROW(lower(plan)) << "zero " << zero << ", " << fused << " bytes";
      }
}

}  // namespace
}  // namespace moesaic
