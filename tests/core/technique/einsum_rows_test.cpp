#include <gtest/gtest.h>

#include "core/graph/operands.h"
#include "core/schema/error.h"
#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using testing::tiny_plan;

Plan masked_plan(int ranks, int ep) {
  Plan plan = tiny_plan(ranks, ep);
  plan.dispatch = {DispatchKind::padded, 1.0};
  plan.dispatch.kernel = RowKernel::einsum;
  return plan;
}

std::vector<const Task*> tasks_with_masks(const TaskGraph& graph) {
  std::vector<const Task*> tasks;
  for (const Task& task : graph.tasks)
    if (family_of(task.op) == Family::einsum_rows) tasks.push_back(&task);
  return tasks;
}

// 2 ranks of 8 tokens, top-2 of 4 experts: a capacity of 8 * 2 / 4 = 4 rows, 16 in all. Masks are [8, 16]; each of five
// products is 2 * 8 * 16 * H 8 = 2,048 FLOP.
TEST(EinsumRows, AreFiveProductsWithMasks) {
  const TaskGraph graph = lower(masked_plan(2, 2));
  std::vector<std::string> labels;
  double flops = 0;
  for (const Task* task : tasks_with_masks(graph)) {
    labels.push_back(std::string(name_of(task->op)) + ": " + task->label);
    EXPECT_EQ(task->shape.n, 16);
    EXPECT_EQ(task->fixed_rows, 8);
    flops += flops_of(task->op, task->shape, task->fixed_rows);
  }
  EXPECT_EQ(labels, (std::vector<std::string>{"route_masks: layer 0 / forward / masks",
                                              "einsum_dispatch: layer 0 / forward / dispatch product",
                                              "einsum_combine: layer 0 / forward / combine product",
                                              "einsum_dispatch: layer 0 / backward / combine product",
                                              "einsum_weights_gradient: layer 0 / backward / weights of choices",
                                              "einsum_combine: layer 0 / backward / dispatch product"}));
  EXPECT_EQ(flops, 5 * 2048);
  for (const Task& task : graph.tasks)
    EXPECT_TRUE(task.op != Op::permute && task.op != Op::unpermute && task.op != Op::permute_backward) << task.label;
}

// lower() verifies each.
TEST(EinsumRows, GoWithEveryDivision) {
  for (int pp : {1, 2})
    for (int zero : {0, 1, 2, 3})
      for (Recompute recompute : {Recompute::none, Recompute::full, Recompute::communication_aware}) {
        if (pp > 1 && zero > 0) continue;
        Plan plan = masked_plan(4, 2);
        plan.model.num_layers = 2, plan.model.moe_layers = {true, true};
        plan.layout.pp = pp, plan.layout.zero = zero, plan.layout.micro_batches = 2, plan.layout.recompute = recompute;
        plan.layout.expert_slices = 2;
        plan.workload.global_batch = 16;
        check_plan(plan, "test");
        EXPECT_NO_THROW(lower(plan)) << pp << " stages, zero " << zero;
      }
}

std::string refusal_of(const Plan& plan) {
  try {
    check_plan(plan, "plan.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(EinsumRows, NeedFixedRows) {
  Plan chunks = masked_plan(2, 2), ragged = masked_plan(2, 2);
  EXPECT_EQ(refusal_of(chunks), "accepted");
  chunks.dispatch.chunks = 2;
  EXPECT_EQ(refusal_of(chunks),
            "plan.json /dispatch/kernel: einsum makes masks of all tokens at once; set chunks to 1, or kernel to "
            "\"permute\"");
  ragged.dispatch.kind = DispatchKind::ragged, ragged.dispatch.capacity_factor = 0;
  EXPECT_EQ(
      refusal_of(ragged),
      "plan.json /dispatch/kernel: makes masks of as many columns as rows are sent, which must be a fixed number; "
      "set kernel to permute, or dispatch.kind to padded");
}

}  // namespace
}  // namespace moesaic
