// Every launch of plans that train on the CPU computes what the reference computes of the same operands.
#include "tests/executor/reference/compared_training.h"

#include <gtest/gtest.h>

#include "executor/cpu/cpu_backend.h"

namespace moesaic::executor {
namespace {

using testing::Comparison;
using testing::kTolerances;
using testing::plan_of;
using testing::train_compared;

std::set<Op> all_operators() {
  std::set<Op> all;
  for (int i = 0; i < kNumOps; ++i)
    if (cpu::CpuBackend::kernels().has(static_cast<Op>(i))) all.insert(static_cast<Op>(i));
  return all;
}

TEST(ComparedTraining, ComputesWhatTheReferenceComputes) {
  std::set<Op> compared;
  std::set<Regroup> regroupings;
  for (const auto& [name, plan] : testing::compared_plans()) {
    Comparison comparison(kTolerances);
    train_compared(plan, comparison);
    EXPECT_EQ(comparison.first_failure(), "") << name;
    compared.insert(comparison.compared().begin(), comparison.compared().end());
    regroupings.insert(comparison.regroupings().begin(), comparison.regroupings().end());
  }
  EXPECT_EQ(compared, all_operators());
  EXPECT_EQ(regroupings,
            (std::set<Regroup>{Regroup::to_slots, Regroup::from_slots, Regroup::to_local_major,
                               Regroup::from_local_major, Regroup::relay_out, Regroup::relay_back, Regroup::repeat,
                               Regroup::from_rails, Regroup::join_columns, Regroup::split_columns}));
}

/// A CPU that is wrong where `wrong` says.
class WrongCpu : public cpu::CpuBackend {
 public:
  using Wrong = std::function<void(const Launch&)>;
  explicit WrongCpu(Wrong wrong) : wrong_(std::move(wrong)) {}
  void launch(const Launch& launch) override {
    CpuBackend::launch(launch);
    wrong_(launch);
  }

 private:
  Wrong wrong_;
};

/// By a thousandth of the largest magnitude. The last of a route is a row: one that exists, or none.
void change_an_element(const Operand& operand) {
  if (operand.dtype == DType::i32) {
    int32_t& row = operand.i32()[operand.elements() - 1];
    row = row < 0 ? 0 : -1;
    return;
  }
  float *begin = operand.f32(), *end = begin + operand.elements();
  const auto smaller = [](float a, float b) { return std::abs(a) < std::abs(b); };
  *(end - 1) += 1e-3f * std::max(std::abs(*std::max_element(begin, end, smaller)), 1e-6f);
}

TEST(ComparedTraining, FindsOneWrongElementOfAnyOperator) {
  Comparison comparison(kTolerances);
  Plan plan = testing::with(testing::todays_blocks(plan_of(1, 2, 2), true), testing::share_states);
  testing::replicate(plan);
  plan.optimizer_passes = OptimizerPasses::separate;
  const Plan gathering = testing::with(plan_of(1, 2, 2), [](Plan& p) {
    p.dispatch.exchange = ExpertExchange::all_gather;  // beside the operators of an all-to-all
  });
  const Plan by_masks = testing::with(plan_of(1, 2, 2), [](Plan& p) {
    p.dispatch = {DispatchKind::padded, 1.0};
    p.dispatch.kernel = RowKernel::einsum;
  });
  for (const Plan& of : {plan, gathering, by_masks})
    train_compared(of, comparison, [](int) {
      // Once each, so that training goes on with numbers.
      return std::make_unique<WrongCpu>([wrong = std::set<Op>{}](const Launch& l) mutable {
        if (wrong.insert(l.task.op).second) change_an_element(l.writes[0]);
      });
    });
  EXPECT_EQ(comparison.failed(), all_operators());
}

// The last token's row belongs to the second of two chunks.
TEST(ComparedTraining, FindsWhatIsWrittenBesideTheChunk) {
  Comparison comparison(kTolerances);
  train_compared(testing::with(plan_of(1, 2, 2), [](Plan& p) { p.dispatch.chunks = 2; }), comparison, [](int) {
    return std::make_unique<WrongCpu>([](const Launch& l) {
      const Operand& sum = l.writes[0];
      if (l.task.op == Op::unpermute && l.task.chunk == 0) sum.f32()[sum.elements() - 1] = 1.0f;
    });
  });
  EXPECT_EQ(comparison.failed(), std::set<Op>{Op::unpermute});
  EXPECT_NE(comparison.first_failure().find("is another's"), std::string::npos) << comparison.first_failure();
}

}  // namespace
}  // namespace moesaic::executor
