#include "executor/runtime/lanes/arriving_counts.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/executor/runtime/lanes/idle_backend.h"

namespace moesaic::executor {
namespace {

/// Its copies are done when the test says so.
class SlowCopies final : public testing::IdleBackend {
 public:
  void* allocate_host(Bytes bytes) override {
    ++host_buffers;
    return InlineBackend::allocate_host(bytes);
  }
  void release_host(void* data) override {
    --host_buffers;
    InlineBackend::release_host(data);
  }
  Event record(Lane) override { return next_++; }
  bool done(Event event) override { return passed.contains(event); }

  std::set<Event> passed;
  int host_buffers = 0;

 private:
  Event next_ = 0;
};

Operand operand_of(std::vector<int32_t>& values) {
  return {0, values.data(), 1, static_cast<int64_t>(values.size()), DType::i32};
}

// Task 5's counts are sent first and arrive last.
TEST(ArrivingCounts, AreTakenAsTheyArrive) {
  SlowCopies backend;
  {
    std::vector<int32_t> first = {1, 2, 3}, second = {4, 5};
    ArrivingCounts arriving(backend);
    arriving.fetch(5, Lane::compute, operand_of(first));
    arriving.fetch(9, Lane::network, operand_of(second));
    EXPECT_FALSE(arriving.take().has_value());
    backend.passed = {1};
    const auto taken = arriving.take();
    ASSERT_TRUE(taken.has_value());
    EXPECT_EQ(taken->task, 9);
    EXPECT_EQ(std::vector<int32_t>(taken->values().begin(), taken->values().end()), second);
    EXPECT_FALSE(arriving.take().has_value());
    backend.passed = {0, 1};
    const auto last = arriving.take();
    ASSERT_TRUE(last.has_value());
    EXPECT_EQ(last->task, 5);
    EXPECT_EQ(std::vector<int32_t>(last->values().begin(), last->values().end()), first);
    arriving.fetch(5, Lane::compute, operand_of(first));  // still on its way when a step ends by an exception
    EXPECT_EQ(backend.host_buffers, 3);
  }
  EXPECT_EQ(backend.host_buffers, 0);
}

}  // namespace
}  // namespace moesaic::executor
