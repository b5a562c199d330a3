// Which tensors of a step are bf16 where ranks compute on CPU cores in bf16, after every technique.
#include <gtest/gtest.h>

#include <set>

#include "core/graph/operands.h"
#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

/// 4 ranks on 2 nodes; every technique that copies routed tensors or tasks.
Plan plan_on_cores(DType compute) {
  Plan plan = testing::tiny_plan(4, 4);
  plan.cluster.device.lanes_share_core = true;
  plan.workload.compute_dtype = compute;
  plan.dispatch.all_to_all = AllToAllKind::hierarchical_2d;
  plan.dispatch.chunks = 2;
  plan.layout.recompute = Recompute::full;
  check_plan(plan, "test");
  return plan;
}

DType dtype_of(const TaskGraph& graph, TensorId tensor) { return graph.tensors[tensor].dtype; }

// Hidden 8: 16 bytes a row on its way to the experts, 32 on its way back.
TEST(RoundedRows, GoToTheExpertsAndNowhereElse) {
  const TaskGraph graph = lower(plan_on_cores(DType::bf16));
  int out = 0, back = 0;
  for (const Task& task : graph.tasks) {
    if (task.op != Op::all_to_all && task.op != Op::regroup) continue;
    const DType dtype = dtype_of(graph, output_of(task));
    EXPECT_EQ(dtype_of(graph, input_of(task)), dtype) << task.label;
    EXPECT_EQ(task.dtype, dtype) << task.label;
    if (task.op != Op::all_to_all) continue;
    const bool outward = task.leg == Leg::intra_out || task.leg == Leg::inter_out;
    EXPECT_EQ(task.bytes_per_row, outward ? 16 : 32) << task.label;
    EXPECT_EQ(dtype, outward ? DType::bf16 : DType::f32) << task.label;
    ++(outward ? out : back);
  }
  EXPECT_EQ(out, 3 * 2 * 2);   // dispatch, again when recomputed, combine gradient; 2 chunks, 2 legs
  EXPECT_EQ(back, 3 * 2 * 2);  // combine, again, dispatch gradient
}

// Products read bf16 rows and sum in f32; what adds to the rows of tokens reads f32.
TEST(RoundedRows, AreReadByProductsAlone) {
  const TaskGraph graph = lower(plan_on_cores(DType::bf16));
  std::set<std::string> readers, writers;
  for (const Task& task : graph.tasks) {
    for (TensorId tensor : task.reads)
      if (dtype_of(graph, tensor) == DType::bf16) readers.insert(name_of(task.op));
    for (TensorId tensor : task.writes)
      if (dtype_of(graph, tensor) == DType::bf16) writers.insert(name_of(task.op));
  }
  EXPECT_EQ(readers, (std::set<std::string>{"all_to_all", "experts", "experts_dgrad", "experts_wgrad", "regroup"}));
  EXPECT_EQ(writers, (std::set<std::string>{"all_to_all", "experts", "experts_dgrad", "permute", "regroup",
                                            "unpermute_backward"}));
}

TEST(RoundedRows, DoNotExistWhereProductsAreF32) {
  const TaskGraph graph = lower(plan_on_cores(DType::f32));
  for (const Tensor& tensor : graph.tensors) EXPECT_NE(tensor.dtype, DType::bf16) << tensor.name;
}

// On a GPU all activations have the compute dtype, and so have gradients: whatever computes or moves rows is bf16, also
// with gradients in stretches (ZeRO-2), whose updates and clearing are tasks of their own.
TEST(RoundedRows, AreAsWideAsAllElseOnGpus) {
  Plan plan = plan_on_cores(DType::bf16);
  plan.cluster.device.lanes_share_core = false;
  for (const int zero : {0, 2}) {
    plan.layout.zero = zero;
    for (const Task& task : lower(plan).tasks)
      EXPECT_EQ(task.dtype, is_collective(task.op) && !moves_rows(task.op) ? DType::f32 : DType::bf16) << task.label;
  }
}

}  // namespace
}  // namespace moesaic
