#include "experiments/02b_does_semoe_win_here/study.h"

#include <gtest/gtest.h>

#include "tests/experiments/02_semoe_training_table/table_row.h"

namespace moesaic::experiments {
namespace {

Timeline step_of(double seconds) {
  Timeline timeline;
  timeline.step_seconds = seconds;
  timeline.rows = {{"experts", Op::experts, Lane::compute, Phase::forward, 0}};
  timeline.times = {{0, 0, 0, seconds}};
  return timeline;
}

// The baseline is executed in 2.0, 2.2 and 2.1 s, the system in 2.1, 2.3 and 2.2 s: 2.1 / 2.2, within the noise of
// 0.1 / 2.1 + 0.1 / 2.2. Predicted are 3 s and 2 s.
TEST(PresetsHere, TellsPredictionFromMeasurement) {
  PresetsHereAxes axes;
  axes.baseline = "deepspeed_moe", axes.system = "semoe";
  axes.rounds = 3, axes.steps = 5;
  std::vector<int> order;  // ZeRO stages
  int runs[] = {0, 0};
  Laboratory laboratory;
  laboratory.problem = [](const DocumentNames&) { return testing::paper_row("13.9b", "1x8", "8"); };
  laboratory.preset = testing::preset;
  laboratory.simulate = [](const Plan& plan) { return step_of(plan.layout.zero == 0 ? 3 : 2); };
  laboratory.execute = [&](const Plan& plan, int64_t steps, Way way) {
    EXPECT_EQ(steps, 5);
    EXPECT_EQ(way, Way::pinned);
    order.push_back(plan.layout.zero);
    const bool system = plan.layout.zero == 3;
    Execution run;
    run.step_seconds = (system ? 2.1 : 2.0) + std::vector{0.0, 0.2, 0.1}[static_cast<size_t>(runs[system]++)];
    run.timeline = step_of(run.step_seconds);
    return run;
  };
  const PresetsHereResult result = run_presets_here(axes, laboratory);
  EXPECT_EQ(order, (std::vector{0, 3, 3, 0, 0, 3}));
  EXPECT_DOUBLE_EQ(result.summary.speedup_predicted, 1.5);
  EXPECT_NEAR(result.summary.speedup_measured, 2.1 / 2.2, 1e-12);
  EXPECT_NEAR(result.summary.noise, 0.1 / 2.1 + 0.1 / 2.2, 1e-12);
  EXPECT_FALSE(result.summary.beyond_noise);
  const StepFigures& last = result.presets.at(1).measured.figures;
  EXPECT_DOUBLE_EQ(last.class_seconds.of[static_cast<size_t>(TaskClass::experts)], 2.2);
  EXPECT_NE(presets_here_tables(result).find("measured 0.955"), std::string::npos) << presets_here_tables(result);
}

}  // namespace
}  // namespace moesaic::experiments
