// Every launch of plans that train on the emulated device computes what the reference computes of the same operands.
#include <gtest/gtest.h>

#include "executor/cuda/cuda_backend.h"
#include "tests/executor/reference/compared_training.h"

namespace moesaic::executor {
namespace {

using testing::Comparison;

void expect_like_the_reference(DType dtype) {
  std::set<Op> compared;
  for (auto& [name, plan] : testing::compared_plans()) {
    plan.cluster.device.lanes_share_core = false;
    plan.workload.compute_dtype = plan.model.weight_dtype = dtype;
    Comparison comparison(testing::kTolerances);
    testing::train_compared(plan, comparison, [](int) { return std::make_unique<cuda::CudaBackend>(); });
    EXPECT_EQ(comparison.first_failure(), "") << name;
    compared.insert(comparison.compared().begin(), comparison.compared().end());
  }
  for (int i = 0; i < kNumOps; ++i)
    EXPECT_EQ(compared.contains(static_cast<Op>(i)), cuda::CudaBackend::kernels().has(static_cast<Op>(i)))
        << name_of(static_cast<Op>(i));
}

TEST(ComparedTrainingOnCuda, InF32) { expect_like_the_reference(DType::f32); }
TEST(ComparedTrainingOnCuda, InBFloat16) { expect_like_the_reference(DType::bf16); }

}  // namespace
}  // namespace moesaic::executor
