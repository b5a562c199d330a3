#include "executor/profiling/operator_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include "core/cost/signature.h"
#include "core/operators/optimizer.h"
#include "core/operators/products.h"
#include "executor/cpu/cpu_backend.h"
#include "tests/executor/profiling/tiny_plan.h"

namespace moesaic::executor {
namespace {

/// A CPU that looks at the bf16 operands that it is given.
class WatchingBackend final : public cpu::CpuBackend {
 public:
  void launch(const Launch& launch) override {
    for (const Operand& operand : launch.reads) look(launch.task, operand);
    CpuBackend::launch(launch);
    for (const Operand& operand : launch.writes) look(launch.task, operand);
  }

  std::set<std::string> operators;  // with such operands
  float largest = 0;                // of their elements

 private:
  void look(const Task& task, const Operand& operand) {
    if (operand.dtype != DType::bf16) return;
    operators.insert(signature_of(task.op, task.dtype, {}));
    for (int64_t i = 0; i < operand.elements(); ++i) {
      const float value = std::bit_cast<float>(static_cast<uint32_t>(operand.as<uint16_t>()[i]) << 16);
      largest = std::isnan(value) ? value : std::max(largest, std::abs(value));
    }
  }
};

// Inputs are uniform in [-1, 1); what a few operators make of them stays below 10. The lower halves of f32, read as
// bf16, would be anything up to 3e38.
TEST(OperatorRun, GivesRowsInBf16WhereThePlanHasThem) {
  Plan plan = tiny_plan(2);
  plan.workload.compute_dtype = DType::bf16;
  const MeasuredPlan measured(plan);
  WatchingBackend backend;
  for (const OperatorShape& shape : collect_shapes({plan})) OperatorRun(measured, shape, 64, backend, 7).launch();
  EXPECT_EQ(backend.operators, (std::set<std::string>{"experts_dgrad|bf16", "experts_wgrad|bf16", "experts|bf16",
                                                      "permute|bf16", "regroup|bf16", "unpermute_backward|bf16"}));
  EXPECT_GT(backend.largest, 0.9f);
  EXPECT_LT(backend.largest, 10.0f);
}

// Masks are of all tokens of the step, 8 a rank, and of all padded rows: 4 experts of 8 * 2 / 4 rows. Copies of
// gradients are as long as what is measured, half and twice a parameter too.
TEST(OperatorRun, MeasuresProductsWithMasksAndCopiesOfGradients) {
  Plan plan = tiny_plan(2);
  plan.dispatch = {DispatchKind::padded, 1.0};
  plan.dispatch.kernel = RowKernel::einsum;
  plan.optimizer_passes = OptimizerPasses::separate;
  check_plan(plan, "test");
  const MeasuredPlan measured(plan);
  cpu::CpuBackend backend;
  std::set<Op> run;
  for (const OperatorShape& shape : collect_shapes({plan})) {
    if (family_of(shape.op) == Family::einsum_rows) {
      EXPECT_EQ(shape.own_rows, std::vector<int64_t>{8});
      EXPECT_TRUE(shape.further_rows.empty() && shape.range_rows.empty());
      EXPECT_EQ(shape.shape.n, 16);
    }
    for (const auto& list : {shape.own_rows, shape.range_rows, shape.further_rows})
      for (const int64_t rows : list) OperatorRun(measured, shape, rows, backend, 7).launch();
    run.insert(shape.op);
  }
  for (const Op op : {Op::route_masks, Op::einsum_dispatch, Op::einsum_combine, Op::einsum_weights_gradient,
                      Op::flatten_gradients, Op::adamw})
    EXPECT_TRUE(run.contains(op)) << name_of(op);
}

/// Looks at one operand that is read.
class OperandRead final : public cpu::CpuBackend {
 public:
  explicit OperandRead(size_t operand) : operand_(operand) {}
  void launch(const Launch& launch) override {
    const Operand& read = launch.reads[operand_];
    values.assign(read.f32(), read.f32() + read.elements());
    CpuBackend::launch(launch);
  }

  std::vector<float> values;

 private:
  size_t operand_;
};

// With tensor parallelism linear reads gathered rows, which are no counts: they are drawn like others, and there need
// not even be a router. 64 rows, uniform in [-1, 1): hardly two alike.
TEST(OperatorRun, DrawsRowsThatRanksGather) {
  Plan plan = tiny_plan(2);
  plan.layout.ep = 1, plan.layout.tp = 2;
  plan.model.moe_layers = {false, false};
  check_plan(plan, "test");
  const MeasuredPlan measured(plan);
  int products = 0;
  for (const OperatorShape& shape : collect_shapes({plan})) {
    if (shape.op != Op::linear) continue;
    OperandRead backend(operands::Linear::x);
    OperatorRun(measured, shape, 64, backend, 7).launch();
    const std::set<float> values(backend.values.begin(), backend.values.end());
    EXPECT_GT(values.size(), backend.values.size() * 99 / 100);
    EXPECT_LT(*values.begin(), -0.9f);
    ++products;
  }
  EXPECT_EQ(products, 4);  // qkv; out; up and down, which are alike; head
}

// 2^22 elements are drawn, the rest repeats them: 3 * 2^22 + 5 are two whole copies more and the first five numbers.
TEST(OperatorRun, RepeatsWhatItDrewInLargeOperands) {
  constexpr int64_t kStretch = 1 << 22, kElements = 3 * kStretch + 5;
  const Plan plan = tiny_plan(2);
  const MeasuredPlan measured(plan);
  const std::vector<OperatorShape> shapes = collect_shapes({plan});
  const auto update =
      std::find_if(shapes.begin(), shapes.end(), [](const OperatorShape& shape) { return shape.op == Op::adamw; });
  ASSERT_NE(update, shapes.end());
  OperandRead backend(operands::AdamW::gradient);
  OperatorRun(measured, *update, kElements, backend, 7).launch();
  const auto begin = backend.values.begin();
  ASSERT_EQ(std::ssize(backend.values), kElements);
  EXPECT_GT(std::set<float>(begin, begin + 1000).size(), 990u);
  EXPECT_TRUE(std::equal(begin + kStretch, backend.values.end(), begin));
}

}  // namespace
}  // namespace moesaic::executor
