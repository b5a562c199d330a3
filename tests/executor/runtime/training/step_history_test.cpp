#include "executor/runtime/training/step_history.h"

#include <gtest/gtest.h>

namespace moesaic::executor {
namespace {

constexpr size_t kTasks = 5, kRows = 16;

/// Task t takes t + 1 us in every step, but in each tenth step ten times that; task 4 never runs.
TrainedStep step_of(int64_t number) {
  const double slow = number % 10 == 0 ? 10 : 1;
  TrainedStep step{number, 1.0 / static_cast<double>(number + 1), 0.5 / static_cast<double>(number + 1), {}};
  StepRecord& record = step.record;
  record.seconds = 1e-3 * slow;
  record.lost = number == 0 ? 1e-3 : 1e-4;
  for (size_t task = 0; task < kTasks; ++task)
    record.times.push_back({task < 4 ? 0 : -1, TaskIndex(task), 0, slow * 1e-6 * static_cast<double>(task + 1)});
  record.expert_rows.assign(kRows, number);
  return step;
}

StepHistory history_of(int64_t first, int64_t steps) {
  StepHistory history(kTasks);
  for (int64_t step = first; step < first + steps; ++step) history.add(step_of(step));
  return history;
}

/// Bytes that the kept steps and the statistics hold.
size_t held_bytes(StepHistory history) {
  size_t bytes = history.steps().num_buckets() * sizeof(uint32_t);
  for (const DurationStatistics& task : history.tasks()) bytes += task.num_buckets() * sizeof(uint32_t);
  for (const TrainedStep& step : history.take_kept())
    bytes += sizeof step + step.record.times.size() * sizeof(TaskTime) +
             step.record.memory.size() * sizeof(MemorySample) + step.record.expert_rows.size() * sizeof(int64_t);
  return bytes;
}

TEST(StepHistory, KeepsAllOfAShortRun) {
  for (const int64_t steps : {1, 2, 3, 512}) {
    StepHistory history = history_of(7, steps);
    EXPECT_EQ(history.num_steps(), steps);
    EXPECT_FALSE(is_long(steps));
    const std::vector<TrainedStep> kept = history.take_kept();
    ASSERT_EQ(kept.size(), static_cast<size_t>(steps));
    for (int64_t i = 0; i < steps; ++i) {
      const TrainedStep expected = step_of(7 + i);
      const TrainedStep& found = kept[static_cast<size_t>(i)];
      EXPECT_EQ(found.step, expected.step);
      EXPECT_EQ(found.loss, expected.loss);
      EXPECT_EQ(found.cross_entropy, expected.cross_entropy);
      EXPECT_EQ(found.record.times[3].end, expected.record.times[3].end);
      EXPECT_EQ(found.record.expert_rows, expected.record.expert_rows);
    }
  }
  EXPECT_TRUE(is_long(513));
}

TEST(StepHistory, HoldsAsMuchAfterAMillionStepsAsAfterAThousand) {
  const size_t thousand = held_bytes(history_of(0, 1000));
  EXPECT_EQ(held_bytes(history_of(0, 10000)), thousand);
  EXPECT_EQ(held_bytes(history_of(0, 1000000)), thousand);
  EXPECT_LT(held_bytes(history_of(0, 100)), thousand);  // all of them, and fewer
}

// Of steps 0 .. 9,999 the first, the last and 510 others. Each thousand of them should have 51; with the standard
// deviation of sqrt(510 * 0.1 * 0.9) = 6.8, 24 to 78 is within 4 of them. Of the slow ones likewise.
TEST(StepHistory, SampleIsEvenAndInStepWithNothing) {
  StepHistory history = history_of(0, 10000);
  const std::vector<TrainedStep> kept = history.take_kept();
  ASSERT_EQ(kept.size(), StepHistory::kKept);
  EXPECT_EQ(kept.front().step, 0);
  EXPECT_EQ(kept.back().step, 9999);
  std::vector<int> of_thousand(10, 0), of_ones(10, 0);
  for (size_t i = 0; i < kept.size(); ++i) {
    EXPECT_TRUE(i == 0 || kept[i - 1].step < kept[i].step);
    EXPECT_EQ(kept[i].record.expert_rows, std::vector<int64_t>(kRows, kept[i].step));
    ++of_thousand[static_cast<size_t>(kept[i].step / 1000)];
    ++of_ones[static_cast<size_t>(kept[i].step % 10)];
  }
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_TRUE(24 <= of_thousand[i] && of_thousand[i] <= 78) << of_thousand[i];
    EXPECT_TRUE(24 <= of_ones[i] && of_ones[i] <= 78) << of_ones[i];
  }
}

// 10,000 steps, 1,000 of them ten times as slow: of task t the mean is (9,000 + 1,000 * 10) / 10,000 = 1.9 (t + 1) us,
// the median t + 1 us.
TEST(StepHistory, StatisticsAreOfAllSteps) {
  const StepHistory history = history_of(0, 10000);
  ASSERT_EQ(history.tasks().size(), kTasks);
  for (size_t task = 0; task < 4; ++task) {
    const double unit = 1e-6 * static_cast<double>(task + 1);
    const DurationFigures figures = history.tasks()[TaskIndex(task)].figures();
    EXPECT_EQ(figures.count, 10000);
    EXPECT_NEAR(figures.mean, 1.9 * unit, 1e-9 * unit);
    EXPECT_NEAR(figures.median, unit, DurationStatistics::kMedianError * unit);
    EXPECT_DOUBLE_EQ(figures.least, unit);
    EXPECT_DOUBLE_EQ(figures.most, 10 * unit);
  }
  EXPECT_EQ(history.tasks()[4].count(), 0);
  EXPECT_NEAR(history.steps().figures().mean, 1.9e-3, 1e-12);
}

// The first step loses 1 of its 10 ms, later ones 0.1 of 1 ms. Alone the first counts: 0.1. Behind it come steps 1 to
// 9: 0.9 of 9 ms; with step 10, 1 of 19 ms.
TEST(StepHistory, LostShareLeavesTheFirstStepOut) {
  EXPECT_DOUBLE_EQ(history_of(0, 1).lost_share(), 0.1);
  EXPECT_DOUBLE_EQ(history_of(0, 10).lost_share(), 0.1);
  EXPECT_DOUBLE_EQ(history_of(0, 11).lost_share(), 1.0 / 19);
}

}  // namespace
}  // namespace moesaic::executor
