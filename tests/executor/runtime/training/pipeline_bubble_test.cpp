// What the ranks of a pipeline really wait for, in a measured timeline.
#include <gtest/gtest.h>

#include "core/timeline/breakdown.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor {
namespace {

PhaseTime over_phases(const Timeline& timeline) {
  PhaseTime sum;
  for (const PhaseTime& phase : step_breakdown(timeline))
    for (Seconds PhaseTime::*field : kPhaseTimeFields) sum.*field += phase.*field;
  return sum;
}

// Every instant of a rank is compute, exposed communication, bubble or idle. Without a word of stages the bubble would
// be communication, and nothing else would differ.
TEST(PipelineBubble, OfARealStepIsNoCommunication) {
  Plan plan = testing::unchecked_plan_of(1, 4, 2);
  plan.layout.pp = 2;
  check_plan(plan, "test");
  TrainOptions options;
  options.steps = 3;
  Timeline timeline = train_on_threads(plan, testing::corpus(), options).timeline;
  const PhaseTime found = over_phases(timeline);
  EXPECT_NEAR(found.compute + found.exposed_communication + found.bubble + found.idle, span_of(timeline), 1e-9);
  EXPECT_EQ(found.exposed_transfer, 0);
  EXPECT_GT(found.bubble, 0);

  for (TaskRow& row : timeline.rows) row.stage_meeting = StageMeeting::none;
  const PhaseTime blind = over_phases(timeline);
  EXPECT_EQ(blind.bubble, 0);
  EXPECT_NEAR(blind.compute, found.compute, 1e-9);
  EXPECT_NEAR(blind.exposed_communication, found.exposed_communication + found.bubble, 1e-9);
}

}  // namespace
}  // namespace moesaic::executor
