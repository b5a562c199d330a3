#include "executor/cpu/rounded_weights.h"

#include <gtest/gtest.h>

#include "executor/cpu/cpu_backend.h"
#include "tests/executor/cpu/test_arrays.h"

namespace moesaic::executor::cpu {
namespace {

constexpr std::int64_t kRows = 24, kWidth = 40, kElements = kWidth * kWidth;

/// y = x w^T in bf16, and AdamW on w. Tensors: w, gradient, moments, x, y.
struct Step {
  explicit Step(Op last_writer = Op::adamw) {
    for (const auto& [kind, elements] : {std::pair{TensorKind::parameter, kElements},
                                         {TensorKind::gradient, kElements},
                                         {TensorKind::optimizer, 2 * kElements},
                                         {TensorKind::input, kRows * kWidth},
                                         {TensorKind::activation, kRows * kWidth}}) {
      Tensor tensor;
      tensor.kind = kind;
      graph.tensors.push_back(tensor);
      arrays.push_back(random_floats(elements, graph.tensors.size()));
      const auto id = TensorId(operands.size());
      operands.push_back({id, arrays.back().data(), 1, elements});
    }
    for (float& moment : arrays[2]) moment = std::abs(moment);
    product.op = Op::linear;
    product.dtype = DType::bf16;
    product.fixed_rows = kRows;
    product.shape.n = product.shape.k = kWidth;
    product.writes = {4};
    update.op = last_writer;
    update.writes = {0, 2, 1};
    graph.tasks = {product, update};
    context.graph = &graph;
    context.plan = &plan;
    context.update_ranges.resize(graph.tensors.size());
    context.update_ranges[0] = {{0, 700, true}, {700, kElements, false}};
  }

  Floats run_product(Backend& backend) {
    const Operand reads[] = {operands[3], operands[0]};
    backend.launch({product, reads, {&operands[4], 1}, {}, context});
    return arrays[4];
  }
  void run_update(Backend& backend) {
    const Operand writes[] = {operands[0], operands[2], operands[1]};
    backend.launch({update, {&operands[1], 1}, writes, {}, context});
  }
  void change_weights() {
    for (float& weight : arrays[0]) weight += 0.25f;
  }

  TaskGraph graph;
  Plan plan;
  Task product, update;
  StepContext context;
  std::vector<Floats> arrays;
  std::vector<Operand> operands;
};

Floats without_copies(Step& step) {
  CpuBackend fresh;
  return step.run_product(fresh);
}

TEST(RoundedWeights, TheCopyFollowsAdamW) {
  Step step;
  CpuBackend backend;
  const Floats before = step.run_product(backend);
  EXPECT_EQ(before, without_copies(step));
  step.run_update(backend);
  const Floats after = step.run_product(backend);
  EXPECT_NE(before, after);
  EXPECT_EQ(after, without_copies(step));
}

TEST(RoundedWeights, AStepThatDoesNotCountChangesNothing) {
  Step step;
  CpuBackend backend;
  const Floats before = step.run_product(backend);
  step.context.update.skip = true;
  step.run_update(backend);
  EXPECT_EQ(step.run_product(backend), before);
}

TEST(RoundedWeights, WeightsThatOtherTasksWriteAreRoundedInEveryProduct) {
  for (const Op writer : {Op::all_gather, Op::fetch_experts}) {
    Step step(writer);
    CpuBackend backend;
    const Floats before = step.run_product(backend);
    step.change_weights();
    EXPECT_NE(step.run_product(backend), before);
    EXPECT_EQ(step.run_product(backend), without_copies(step));
  }
}

TEST(RoundedWeights, AProductOutsideAnyStepKeepsNone) {
  Step step;
  RoundedWeights rounded;
  EXPECT_EQ(rounded.find(step.operands[0], TaskGraph()), nullptr);
}

// A view of the weight is another way to write it; a weight that is a view may be written through its base.
TEST(RoundedWeights, NoCopyOfWhatAViewWritesNorOfAView) {
  Step step;
  step.graph.tensors.push_back(step.graph.tensors[0]);
  step.graph.tensors.back().view_of = 0;
  RoundedWeights rounded;
  EXPECT_EQ(rounded.find({5, step.arrays[0].data(), 1, kElements}, step.graph), nullptr);
  step.graph.tasks[1].writes[0] = 5;
  EXPECT_EQ(rounded.find(step.operands[0], step.graph), nullptr);
  step.graph.tasks[1].writes[0] = 0;
  EXPECT_NE(rounded.find(step.operands[0], step.graph), nullptr);
}

TEST(RoundedWeights, TheCopyDoesNotOutliveTheWeight) {
  Step step;
  RoundedWeights rounded;
  for (const std::int64_t first : {std::int64_t{0}, kElements - 1}) {  // released whole; its last element copied over
    const BFloat16 old = rounded.find(step.operands[0], step.graph)[0];
    step.change_weights();
    rounded.forget(step.arrays[0].data() + kElements, 4);  // what stands behind it
    EXPECT_EQ(rounded.find(step.operands[0], step.graph)[0], old);
    rounded.forget(step.arrays[0].data() + first, 4);
    EXPECT_NE(rounded.find(step.operands[0], step.graph)[0], old);
  }
}

}  // namespace
}  // namespace moesaic::executor::cpu
