#include "executor/runtime/lanes/step_recorder.h"

#include <gtest/gtest.h>

namespace moesaic::executor {
namespace {

// Task 0 runs from 11 to 14 and leaves 100 bytes, task 1 on another lane from 11.5 to 13 and leaves 40; the device says
// so after both have been appended. Task 2 runs unseen, in a graph. The step began at 10 and ended at 15.
TEST(StepRecorder, CountsFromTheStepsStart) {
  StepRecorder recorder(3, 7);
  recorder.start_step();
  recorder.ran(0);
  recorder.left(0, 100);
  recorder.ran(1, 11.5, 13);
  recorder.left(1, 40);
  *recorder.start_of(0) = 11;
  *recorder.end_of(0) = 14;
  const StepRecord record = recorder.finish(10, 15);
  EXPECT_EQ(record.seconds, 5);
  ASSERT_EQ(record.times.size(), 3u);
  const auto expect_time = [&](size_t task, Seconds start, Seconds end) {
    EXPECT_EQ(record.times[task].rank, 7);
    EXPECT_EQ(record.times[task].task, TaskIndex(task));
    EXPECT_EQ(record.times[task].start, start);
    EXPECT_EQ(record.times[task].end, end);
  };
  expect_time(0, 1, 4);
  expect_time(1, 1.5, 3);
  EXPECT_EQ(record.times[2].rank, -1);
  ASSERT_EQ(record.memory.size(), 2u);  // in the order of time
  EXPECT_EQ(record.memory[0].time, 3);
  EXPECT_EQ(record.memory[0].bytes, 40);
  EXPECT_EQ(record.memory[1].time, 4);
  EXPECT_EQ(record.memory[1].bytes, 100);
}

TEST(StepRecorder, ForgetsTheStepBefore) {
  StepRecorder recorder(1, 0);
  recorder.start_step();
  recorder.ran(0, 1, 2);
  recorder.left(0, 10);
  recorder.finish(0, 3);
  recorder.start_step();
  const StepRecord record = recorder.finish(3, 4);
  EXPECT_EQ(record.times[0].rank, -1);
  EXPECT_EQ(record.memory.size(), 0u);
}

}  // namespace
}  // namespace moesaic::executor
