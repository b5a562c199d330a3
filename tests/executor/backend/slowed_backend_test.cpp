#include "executor/backend/slowed_backend.h"

#include <gtest/gtest.h>

#include <chrono>

#include "executor/backend/inline_backend.h"
#include "executor/machine/disturbance.h"

namespace moesaic::executor {
namespace {

double processor_seconds() { return cpu_seconds(Counted::thread); }

/// Launches that need 2 ms of processor time.
class TwoMilliseconds final : public InlineBackend {
 public:
  std::string name() const override { return "busy"; }
  void* allocate(Bytes, Lane) override { return nullptr; }
  void release(void*, LaneSet) override {}
  void launch(const Launch&) override {
    for (const double end = processor_seconds() + 2e-3; processor_seconds() < end;) ++launches;
  }
  NonFinite find_non_finite(std::span<const Operand>, ExactSquares*) override { return {}; }

  int64_t launches = 0;
};

// At a quarter of the speed 5 launches of 2 ms are due to last 5 * 2 / 0.25 = 40 ms; of what they last, whatever it is
// on a busy machine, 10 / 40 at most is work and the rest sleep.
TEST(SlowedBackend, SleepsForTheRestOfItsTime) {
  TwoMilliseconds busy;
  SlowedBackend slowed(busy, 0.25);
  const Task task;
  const StepContext context;
  const double processor = processor_seconds();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 5; ++i) slowed.launch({task, {}, {}, {}, context});
  const double lasted = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_GE(slowed.kept().due, 40e-3);
  EXPECT_GE(lasted, slowed.kept().due);
  EXPECT_LE(slowed.kept().lasted, lasted);
  EXPECT_LE(processor_seconds() - processor, 0.3 * lasted);  // 0.05 for reading clocks
  EXPECT_GT(slowed.slept(), 0);
  EXPECT_GE(slowed.kept().lasted - slowed.slept(), 10e-3);  // the work itself
}

TEST(SlowedBackend, NeverSleepsAtFullSpeed) {
  TwoMilliseconds busy;
  SlowedBackend slowed(busy, 1);
  const Task task;
  const StepContext context;
  slowed.launch({task, {}, {}, {}, context});
  EXPECT_EQ(slowed.slept(), 0);
}

}  // namespace
}  // namespace moesaic::executor
