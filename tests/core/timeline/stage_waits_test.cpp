#include "core/timeline/stage_waits.h"

#include <gtest/gtest.h>

#include "core/steps/baseline_step.h"
#include "core/timeline/breakdown.h"
#include "core/timeline/comparison.h"
#include "tests/core/graph/tiny_plan.h"
#include "tests/core/timeline/sample_timeline.h"

namespace moesaic {
namespace {

// Rank 0, stage 0, in seconds:                  Rank 1, stage 1:
//   layer 0 forward   [0, 3)   compute            stage 0 to 1      [0, 5)   waits until 3
//   stage 0 to 1      [3, 5)   network            layer 1 forward   [5, 7)   compute
//   stage 1 to 0      [5, 12)  waits until 11     layer 1 backward  [7, 11)  compute
//   layer 0 backward  [12, 14) compute            stage 1 to 0      [11, 12) network
//   sum losses        [14, 15) network            sum losses        [12, 15) waits until 14
TEST(StageWaits, AreBubbleAndNotCommunication) {
  const auto phases = step_breakdown(pipeline_timeline());
  // compute, exposed communication, exposed transfer, bubble, idle; halves of the sums of both ranks
  EXPECT_EQ(phases[0], (PhaseTime{(3 + 2) / 2.0, (2 + 2) / 2.0, 0, 3 / 2.0, 0}));
  EXPECT_EQ(phases[1], (PhaseTime{(2 + 4) / 2.0, (1 + 1) / 2.0, 0, 6 / 2.0, 0}));
  EXPECT_EQ(phases[2], (PhaseTime{0, (1 + 1) / 2.0, 0, 2 / 2.0, 0}));
  EXPECT_EQ(exposed_communication(pipeline_timeline()), 4);
  EXPECT_EQ(pipeline_bubble(pipeline_timeline()), 5.5);
  EXPECT_EQ(exposed_transfer(pipeline_timeline()), 0);
  EXPECT_EQ(compute_busy(pipeline_timeline()), 5.5);
}

TEST(StageWaits, OfATimelineThatDoesNotSayWhereStagesMeetAreCommunication) {
  Timeline timeline = pipeline_timeline();
  timeline.num_stages = 1;
  for (TaskRow& row : timeline.rows) row.stage_meeting = StageMeeting::none;
  EXPECT_EQ(pipeline_bubble(timeline), 0);
  EXPECT_EQ(exposed_communication(timeline), 4 + 5.5);
}

TEST(StageWaits, AreKnownOfAnOlderTimelineFromOneOfTheSamePlan) {
  const Timeline timeline = pipeline_timeline();
  Timeline older = timeline;
  older.num_stages = 1;
  for (TaskRow& row : older.rows) row.stage_meeting = StageMeeting::none;
  Timeline other_plan = older;
  other_plan.plan_hash = "00000000000000bb";
  take_stage_meetings(timeline, older);
  take_stage_meetings(timeline, other_plan);
  EXPECT_EQ(step_breakdown(older), step_breakdown(timeline));
  EXPECT_EQ(pipeline_bubble(other_plan), 0);
}

// The message of rank 0 leaves before rank 1 comes: [0, 1) and [5, 6) are communication, and [0, 5) of rank 1 is idle.
TEST(StageWaits, ASenderDoesNotWaitForTheReceiverOfABufferedMessage) {
  for (const StageMeeting onward : {StageMeeting::next, StageMeeting::previous}) {
    Timeline timeline;
    timeline.num_ranks = timeline.num_stages = 2;
    timeline.rows = {{"send", Op::all_to_all, Lane::network, Phase::forward, -1, onward}};
    const int sender = onward == StageMeeting::next ? 0 : 1;
    timeline.times = {{sender, 0, 0, 1}, {1 - sender, 0, 5, 6}};
    EXPECT_EQ(ends_of_stage_waits(timeline), (std::vector<Seconds>{0, 5}));
    // A receiver whose sender seems to start after the end, by clocks that differ, has waited all the time.
    timeline.times = {{1 - sender, 0, 0, 1}, {sender, 0, 1.5, 2}};
    EXPECT_EQ(ends_of_stage_waits(timeline), (std::vector<Seconds>{1, 1.5}));
  }
}

// Stage 0 comes at 0 and 6, stage 1 at 4 and 5, all go on at 10. Rank 0 waits for stage 1 until 5; that its neighbour
// comes at 6 only is imbalance inside its stage. Stage 1 waits until 6.
TEST(StageWaits, EndWhenTheLastRankOfAnotherStageComes) {
  Timeline timeline;
  timeline.num_ranks = 4, timeline.num_stages = 2;
  timeline.rows = {{"sum losses", Op::all_reduce, Lane::network, Phase::update, -1, StageMeeting::all}};
  timeline.times = {{0, 0, 0, 10}, {1, 0, 6, 10}, {2, 0, 4, 10}, {3, 0, 5, 10}};
  EXPECT_EQ(ends_of_stage_waits(timeline), (std::vector<Seconds>{5, 6, 6, 6}));
  EXPECT_EQ(pipeline_bubble(timeline), (5 + 0 + 2 + 1) / 4.0);
  // Sent to the next stage instead, rank 0 meets rank 2 and rank 1 meets rank 3.
  timeline.rows[0].stage_meeting = StageMeeting::next;
  EXPECT_EQ(ends_of_stage_waits(timeline), (std::vector<Seconds>{4, 6, 4, 6}));
}

TEST(StageWaits, AreNoPartOfATasksDuration) {
  const Comparison comparison = compare(pipeline_timeline(), pipeline_timeline());
  ASSERT_EQ(comparison.operators.back().name, "all_reduce");
  EXPECT_EQ(comparison.operators.back().predicted, 1);
  ASSERT_EQ(comparison.breakdown.size(), 5u);
  EXPECT_EQ(comparison.breakdown[3].name, "bubble");
  EXPECT_EQ(comparison.breakdown[3].measured, 5.5);
  // The two stages compute 3 + 2 and 2 + 4 seconds: 11 in all, 5.5 of a rank; the table says why the lane has more.
  EXPECT_EQ(comparison.lanes[0].measured, 11);
  EXPECT_EQ(comparison.breakdown[0].measured, 5.5);
  const std::string note =
      "\n  operators and lanes: sum over tasks of each task's mean over the ranks that ran it (stages add up)\n";
  EXPECT_NE(comparison_table(comparison).find(note + "\n  operators  "), std::string::npos);
}

std::string meeting_of(const TaskGraph& graph, const std::string& label) {
  return name_of(stage_meeting_of(graph, graph.tasks.at(testing::find_task(graph, label))));
}

TEST(StageMeetings, AreTransfersAndCollectivesOfSeveralStages) {
  Plan plan = testing::tiny_plan(6, 1);
  plan.model.num_layers = 3;
  plan.model.moe_layers = {true, true, true};
  plan.workload.global_batch = 6;
  plan.layout.pp = 3;
  const TaskGraph graph = baseline_step(plan);
  EXPECT_EQ(meeting_of(graph, "forward / stage 0 to 1"), "next_stage");
  EXPECT_EQ(meeting_of(graph, "backward / stage 2 to 1"), "previous_stage");
  EXPECT_EQ(meeting_of(graph, "backward / reduce embedding"), "all_stages");
  EXPECT_EQ(meeting_of(graph, "update / sum losses"), "all_stages");
  EXPECT_EQ(meeting_of(graph, "backward / reduce layers.1.qkv"), "none");
  EXPECT_EQ(meeting_of(graph, "layer 1 / forward / norm1"), "none");
}

}  // namespace
}  // namespace moesaic
