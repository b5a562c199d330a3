// Training with bf16 products, whose rows stand rounded on their way to the experts, against the same step with rows
// in f32 that the products round: the same bits in losses and weights, in every layout and for every way of sending.
#include <gtest/gtest.h>

#include "core/technique/lower.h"
#include "tests/executor/runtime/training/tensors_after.h"

namespace moesaic::executor {
namespace {

using testing::Tensors;

Plan rounded_plan(int nodes, int per_node, int ep) {
  Plan plan = testing::unchecked_plan_of(nodes, per_node, ep);
  plan.workload.compute_dtype = DType::bf16;
  return plan;
}

/// The same step with all rows in f32. Returns how many tensors were narrower.
int widen(TaskGraph& graph) {
  int widened = 0;
  for (Tensor& tensor : graph.tensors)
    if (tensor.dtype == DType::bf16) tensor.dtype = DType::f32, ++widened;
  for (Task& task : graph.tasks)
    if (is_routed(task.leg)) task.bytes_per_row = bytes_of(DType::f32, task.shape.k);
  return widened;
}

/// All weights after three steps, by logical tensor.
Tensors trained(const Plan& plan, const TaskGraph& program) {
  return testing::tensors_after(3, State::weight, plan, program);
}

Tensors trained(const Plan& plan) {
  check_plan(plan, "test");
  return trained(plan, lower(plan));
}

void expect_bits_of_f32_rows(const Plan& plan) {
  check_plan(plan, "test");
  TaskGraph wide = lower(plan);
  EXPECT_GT(widen(wide), 0);
  EXPECT_TRUE(trained(plan) == trained(plan, wide));
}

TEST(RoundedRows, TrainWithTheBitsOfF32Rows) {
  expect_bits_of_f32_rows(rounded_plan(1, 1, 1));
  expect_bits_of_f32_rows(rounded_plan(1, 2, 2));
  Plan plan = rounded_plan(2, 2, 4);
  plan.dispatch.all_to_all = AllToAllKind::hierarchical_2d;
  plan.dispatch.chunks = 3;
  expect_bits_of_f32_rows(plan);
  plan.layout.recompute = Recompute::communication_aware;
  expect_bits_of_f32_rows(plan);
}

TEST(RoundedRows, TrainWithTheBitsOfF32RowsWhereTensorsAreCutOrPadded) {
  Plan plan = rounded_plan(1, 4, 2);
  plan.layout.tp = 2;
  plan.layout.expert_slices = 2;
  plan.layout.recompute = Recompute::full;
  expect_bits_of_f32_rows(plan);
  plan = rounded_plan(1, 2, 2);
  plan.dispatch.kind = DispatchKind::padded;
  plan.dispatch.capacity_factor = 1.0;
  expect_bits_of_f32_rows(plan);
  plan.dispatch.chunks = 2;
  expect_bits_of_f32_rows(plan);
}

// Ranks see the same tokens; experts see the same rows in the same order.
TEST(RoundedRows, TrainWithTheSameBitsHoweverTheyAreSent) {
  const Tensors expected = trained(rounded_plan(2, 2, 4));
  Plan plan = rounded_plan(2, 2, 4);
  plan.dispatch.all_to_all = AllToAllKind::hierarchical_2d;
  EXPECT_TRUE(trained(plan) == expected);
  plan.dispatch.chunks = 2;
  EXPECT_TRUE(trained(plan) == expected);
  EXPECT_TRUE(trained(rounded_plan(1, 4, 4)) == expected);
}

// 32 elements a row: 64 bytes to the experts, forward and backward, 128 back from them. Nothing but routed rows is
// bf16.
TEST(RoundedRows, HalveWhatIsSentToTheExpertsAndNothingElse) {
  const TaskGraph graph = lower(rounded_plan(1, 2, 2));
  for (const Task& task : graph.tasks) {
    if (!is_routed(task.leg)) continue;
    EXPECT_EQ(task.bytes_per_row, task.leg == Leg::dispatch ? 64 : 128) << task.label;
  }
  for (const Tensor& tensor : graph.tensors) {
    if (tensor.dtype != DType::bf16) continue;
    EXPECT_TRUE(tensor.rows == Rows::sent || tensor.rows == Rows::received) << tensor.name;
  }
}

}  // namespace
}  // namespace moesaic::executor
