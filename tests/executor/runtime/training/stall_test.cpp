// A rank that holds still is named by the one that waits for it, and a wait changes no result.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "core/schema/error.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor {
namespace {

using testing::corpus;

Plan plan_of_two_ranks() { return testing::plan_of(1, 2, 2); }

// Rank 0 holds still after step 2 until rank 1 has warned; then training goes on to the same losses.
TEST(Stall, IsNamedAndChangesNothing) {
  TrainOptions options;
  options.steps = 4;
  options.stall = {0, 0};
  const std::vector<double> undisturbed = train_on_threads(plan_of_two_ranks(), corpus(), options).loss;
  std::mutex mutex;
  std::vector<std::pair<StallEvent, Stall>> events;
  std::atomic<bool> warned = false;
  options.stall = {0.05, 0};
  options.on_step = [&](int64_t step, double) {
    while (step == 1 && !warned) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  options.on_stall = [&](const Stall& stall, StallEvent event) {
    const std::lock_guard lock(mutex);
    if (stall.task != "start of step 3") return;
    events.emplace_back(event, stall);
    warned = true;
  };
  EXPECT_EQ(train_on_threads(plan_of_two_ranks(), corpus(), options).loss, undisturbed);
  ASSERT_EQ(events.size(), 2);
  EXPECT_EQ(events[0].first, StallEvent::begins);
  EXPECT_EQ(events[1].first, StallEvent::ends);
  EXPECT_EQ(events[0].second.rank, 1);
  EXPECT_EQ(events[0].second.missing, std::vector<int>{0});
}

TEST(Stall, EndsTheJobBeyondTheTimeout) {
  TrainOptions options;
  options.steps = 4;
  options.stall = {0, 2};
  std::atomic<bool> over = false;
  std::string said;
  options.on_step = [&](int64_t step, double) {
    while (step == 1 && !over) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  options.on_stall = [&](const Stall& stall, StallEvent) {
    said = text_of(stall);
    over = true;
  };
  try {
    train_on_threads(plan_of_two_ranks(), corpus(), options);
    FAIL() << "it went on";
  } catch (const DeviceError& error) {
    EXPECT_EQ(error.what(), said + "; that is longer than the stall timeout");
    EXPECT_EQ(said.find("rank 0 has not answered for "), 0u);
    EXPECT_NE(said.find("; rank 1 waits for it in 'start of step 3'"), std::string::npos);
  }
}

}  // namespace
}  // namespace moesaic::executor
