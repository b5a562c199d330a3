#include "core/timeline/timeline.h"

#include <gtest/gtest.h>

#include <random>

#include "core/timeline/breakdown.h"
#include "core/timeline/tracks.h"
#include "tests/core/timeline/sample_timeline.h"

namespace moesaic {
namespace {

constexpr double kTolerance = 1e-15;

void expect_near(const PhaseTime& actual, const PhaseTime& expected) {
  EXPECT_NEAR(actual.compute, expected.compute, kTolerance);
  EXPECT_NEAR(actual.exposed_communication, expected.exposed_communication, kTolerance);
  EXPECT_NEAR(actual.exposed_transfer, expected.exposed_transfer, kTolerance);
  EXPECT_NEAR(actual.bubble, expected.bubble, kTolerance);
  EXPECT_NEAR(actual.idle, expected.idle, kTolerance);
}

TEST(TimelineMetrics, HandArithmetic) {
  const Timeline timeline = sample_timeline();
  // Exposed: rank 0 [4, 7) = 3 ms, rank 1 [2, 7) = 5 ms. Compute: rank 0 4 + 1 = 5 ms, rank 1 2 + 3 = 5 ms.
  EXPECT_NEAR(exposed_communication(timeline), 0.004, kTolerance);
  EXPECT_NEAR(compute_busy(timeline), 0.005, kTolerance);
  EXPECT_EQ(peak_memory(timeline), 3000);
  EXPECT_DOUBLE_EQ(span_of(timeline), 0.010);
}

TEST(TimelineMetrics, EmptyTimelineHasNoTime) {
  const Timeline timeline;
  EXPECT_EQ(exposed_communication(timeline), 0);
  EXPECT_EQ(compute_busy(timeline), 0);
  EXPECT_EQ(peak_memory(timeline), 0);
}

TEST(StepBreakdown, HandArithmetic) {
  // Rank 0: idle [7, 8) waits for a backward task: backward; idle [9, 10) after the last task: update. Means halve the
  // sums.
  const auto phases = step_breakdown(sample_timeline());
  expect_near(phases[0], {(0.004 + 0.002) / 2, (0.003 + 0.005) / 2, 0, 0, 0});
  expect_near(phases[1], {(0.001 + 0.003) / 2, 0, 0, 0, 0.001 / 2});
  expect_near(phases[2], {0, 0, 0, 0, 0.001 / 2});
}

TEST(StepBreakdown, TransferCountsOnlyWhereNothingElseRuns) {
  // compute [0, 2), network [1, 4), copy [1, 6): compute 2, exposed communication 2, exposed transfer 2.
  Timeline timeline;
  timeline.rows = {{"a", Op::add, Lane::compute}, {"b", Op::all_reduce, Lane::network}, {"c", Op::add, Lane::copy_in}};
  timeline.times = {{0, 0, 0, 2}, {0, 1, 1, 4}, {0, 2, 1, 6}};
  expect_near(step_breakdown(timeline)[0], {2, 2, 2, 0, 0});
}

// Where ranks were measured, one may begin before the step of all: compute [-5, -3) and [-3, -1) are in no piece, of
// [-1, 2) two seconds are; network [1, 4) is exposed from 2 on.
TEST(StepBreakdown, BeginsWithTheStepOfAll) {
  Timeline timeline;
  timeline.rows = {{"a", Op::add, Lane::compute},
                   {"b", Op::add, Lane::compute},
                   {"c", Op::add, Lane::compute},
                   {"d", Op::all_reduce, Lane::network}};
  timeline.times = {{0, 0, -5, -3}, {0, 1, -3, -1}, {0, 2, -1, 2}, {0, 3, 1, 4}};
  expect_near(step_breakdown(timeline)[0], {2, 2, 0, 0, 0});
}

/// Whether a rank waits for a rank of another of two stages to start the task: looks at every other entry.
bool waits_for_other_stage(const Timeline& timeline, const TaskTime& time, double now) {
  const int of_stage = timeline.num_ranks / 2, stage = time.rank / of_stage;
  const StageMeeting meeting = timeline.rows[time.task].stage_meeting;
  const bool sends = meeting == (stage == 0 ? StageMeeting::next : StageMeeting::previous);
  if (meeting == StageMeeting::none) return false;
  for (const TaskTime& other : timeline.times) {
    const bool meets = meeting == StageMeeting::all || other.rank % of_stage == time.rank % of_stage;
    if (other.task != time.task || other.rank / of_stage == stage || !meets) continue;
    if (sends && other.start >= time.end) return false;
    if (now < other.start) return true;
  }
  return false;
}

// Oracle: classify each unit of time by looking at every task.
TEST(StepBreakdown, AgreesWithUnitByUnitScan) {
  std::mt19937 random(7);
  for (int repetition = 0; repetition < 200; ++repetition) {
    Timeline timeline;
    timeline.num_ranks = 4, timeline.num_stages = 2;
    for (int task = 0; task < 6; ++task) {
      timeline.rows.push_back(
          {std::to_string(task), Op::add, static_cast<Lane>(random() % kNumLanes), static_cast<Phase>(random() % 3)});
      if (timeline.rows.back().lane == Lane::network)
        timeline.rows.back().stage_meeting = static_cast<StageMeeting>(random() % kNumStageMeetings);
      for (int rank = 0; rank < 4; ++rank) {
        const int start = static_cast<int>(random() % 12);
        timeline.times.push_back({rank, task, double(start), double(start + static_cast<int>(random() % 5))});
      }
    }
    double compute = 0, exposed = 0, transfer = 0, bubble = 0, total = 0;
    for (int rank = 0; rank < 4; ++rank) {
      for (int unit = 0; unit < static_cast<int>(span_of(timeline)); ++unit) {
        bool open[kNumLanes] = {}, waits = false;
        for (const TaskTime& time : timeline.times) {
          if (time.rank != rank || time.start > unit || unit >= time.end) continue;
          const bool waiting = waits_for_other_stage(timeline, time, unit);
          (waiting ? waits : open[static_cast<int>(timeline.rows[time.task].lane)]) = true;
        }
        const bool network = open[static_cast<int>(Lane::network)];
        const bool other = open[1] || open[2] || open[4] || open[5];
        compute += open[0];
        exposed += !open[0] && network;
        transfer += !open[0] && !network && other;
        bubble += !open[0] && !network && !other && waits;
        total += 1;
      }
    }
    PhaseTime sum;
    for (const PhaseTime& phase : step_breakdown(timeline)) {
      sum.compute += phase.compute, sum.exposed_communication += phase.exposed_communication;
      sum.exposed_transfer += phase.exposed_transfer, sum.idle += phase.idle;
      sum.bubble += phase.bubble;
    }
    ASSERT_NEAR(sum.compute, compute / 4, 1e-9) << "repetition " << repetition;
    ASSERT_NEAR(sum.exposed_communication, exposed / 4, 1e-9) << "repetition " << repetition;
    ASSERT_NEAR(sum.exposed_transfer, transfer / 4, 1e-9) << "repetition " << repetition;
    ASSERT_NEAR(sum.bubble, bubble / 4, 1e-9) << "repetition " << repetition;
    ASSERT_NEAR(sum.idle, (total - compute - exposed - transfer - bubble) / 4, 1e-9) << "repetition " << repetition;
  }
}

TEST(TaskRows, AreTheTableOfTheGraph) {
  TaskGraph graph;
  graph.tasks.resize(1);
  graph.tasks[0].label = "layer 3 / dispatch";
  graph.tasks[0].op = Op::all_to_all;
  graph.tasks[0].lane = Lane::network;
  graph.tasks[0].phase = Phase::backward;
  graph.tasks[0].layer = 3;
  const OfTasks<TaskRow> rows = task_rows(graph);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].label, "layer 3 / dispatch");
  EXPECT_EQ(rows[0].op, Op::all_to_all);
  EXPECT_EQ(rows[0].lane, Lane::network);
  EXPECT_EQ(rows[0].phase, Phase::backward);
  EXPECT_EQ(rows[0].layer, 3);
}

TEST(Tracks, OverlapsMoveToTheLowestFreeTrack) {
  // [0, 4) on 0; [1, 2) on 1; [2, 3) on 1 again, for tracks are half open; [3, 5) on 1; another rank starts at 0.
  Timeline timeline;
  timeline.num_ranks = 2;
  timeline.rows.assign(4, {"", Op::all_reduce, Lane::network});
  timeline.times = {{0, 3, 3, 5}, {0, 0, 0, 4}, {0, 1, 1, 2}, {0, 2, 2, 3}, {1, 0, 1, 4}};
  EXPECT_EQ(tracks_of(timeline), (std::vector<int>{1, 0, 1, 1, 0}));
}

}  // namespace
}  // namespace moesaic
