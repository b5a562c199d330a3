#include "experiments/02_semoe_training_table/task_classes.h"

#include <gtest/gtest.h>

namespace moesaic::experiments {
namespace {

TaskRow task_row(const std::string& label, Op op, Lane lane, int layer) {
  return {label, op, lane, Phase::forward, layer};
}

// Rank 0: attention 0-2, all-to-all 1-5 of which 2-5 is exposed but for experts 3-4, idle 5-6. Rank 1: idle 0-3,
// experts 3-6. Means of two ranks; a reduction that is wholly behind compute is nowhere.
TEST(TaskClasses, EveryInstantHasOneClass) {
  Timeline timeline;
  timeline.num_ranks = 2;
  timeline.rows = {
      task_row("qkv", Op::linear, Lane::compute, 0), task_row("dispatch", Op::all_to_all, Lane::network, 0),
      task_row("experts", Op::experts, Lane::compute, 0), task_row("reduce", Op::all_reduce, Lane::network, 0)};
  timeline.times = {{0, 0, 0, 2}, {0, 1, 1, 5}, {0, 2, 3, 4}, {1, 2, 3, 6}, {1, 3, 4, 5}};
  ClassSeconds expected;
  expected.of[static_cast<size_t>(TaskClass::attention)] = 1;
  expected.of[static_cast<size_t>(TaskClass::all_to_all)] = 1;
  expected.of[static_cast<size_t>(TaskClass::experts)] = 2;
  expected.of[static_cast<size_t>(TaskClass::idle)] = 2;
  EXPECT_EQ(class_seconds(timeline), expected);
}

// Rank 1 waits until 2 for what rank 0 sends it in [2, 4): each has 2 of the exchange, and 2 of something else before.
TEST(TaskClasses, WaitingForAPipelineStageIsIdle) {
  Timeline timeline;
  timeline.num_ranks = timeline.num_stages = 2;
  timeline.rows = {task_row("qkv", Op::linear, Lane::compute, 0),
                   task_row("stage 0 to 1", Op::all_to_all, Lane::network, -1)};
  timeline.rows[1].stage_meeting = StageMeeting::next;
  timeline.times = {{0, 0, 0, 2}, {0, 1, 2, 4}, {1, 1, 0, 4}};
  ClassSeconds expected;
  expected.of[static_cast<size_t>(TaskClass::attention)] = 1;
  expected.of[static_cast<size_t>(TaskClass::all_to_all)] = 2;
  expected.of[static_cast<size_t>(TaskClass::idle)] = 1;
  EXPECT_EQ(class_seconds(timeline), expected);
}

TEST(TaskClasses, GathersOfWeightsAreNotThoseOfCounts) {
  EXPECT_EQ(class_of(task_row("layer 0 / forward / exchange counts", Op::all_gather, Lane::network, 0)),
            TaskClass::all_to_all);
  EXPECT_EQ(class_of(task_row("layer 0 / forward / norm1 / gather group 1", Op::all_gather, Lane::network, 0)),
            TaskClass::weight_gather);
  EXPECT_EQ(class_of(task_row("forward / head", Op::linear, Lane::compute, -1)), TaskClass::head);
}

}  // namespace
}  // namespace moesaic::experiments
