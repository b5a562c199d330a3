#include "executor/cpu/cpu_backend.h"

#include <gtest/gtest.h>

namespace moesaic::executor::cpu {
namespace {

// 10,000 bytes are of class 10,240 (an eighth of 8192 is 1024). A request for 7,000, class 7,168, takes up to 10,752;
// one for 6,000, class 6,144, takes up to 9,216.
TEST(CpuBackend, TakesAReleasedBlockThatIsLittleTooLarge) {
  CpuBackend backend;
  void* block = backend.allocate(10'000);
  backend.release(block);
  void* small = backend.allocate(6'000);
  EXPECT_NE(small, block);
  EXPECT_EQ(backend.allocate(7'000), block);
  backend.release(block);
  EXPECT_EQ(backend.allocate(10'200), block) << "it keeps its size";
  backend.release(block);
  backend.release(small);
}

// What the host does with expert states, and collectives, are no kernels; gradients are checked by find_non_finite();
// executors refuse latent attention.
TEST(CpuBackend, HasAKernelForEveryOtherOperator) {
  for (int i = 0; i < kNumOps; ++i) {
    const Op op = static_cast<Op>(i);
    EXPECT_EQ(CpuBackend::kernels().has(op), !is_transfer(op) && !is_collective(op) && !checks_gradients(op) &&
                                                 family_of(op) != Family::latent_attention)
        << name_of(op);
  }
}

}  // namespace
}  // namespace moesaic::executor::cpu
