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
  PresetsHere study;
  study.baseline = "deepspeed_moe", study.system = "semoe";
  study.rounds = 3, study.steps = 5;
  const planner::Problem row = testing::table_row("13.9b", "1x8", "8");
  std::vector<int> order;  // ZeRO stages
  int runs[] = {0, 0};
  PresetsHereHooks hooks;
  hooks.simulate = [](const Plan& plan, int64_t) { return step_of(plan.layout.zero == 0 ? 3 : 2); };
  hooks.execute = [&](const Plan& plan, int64_t steps) {
    EXPECT_EQ(steps, 5);
    order.push_back(plan.layout.zero);
    const bool system = plan.layout.zero == 3;
    const double seconds = (system ? 2.1 : 2.0) + std::vector{0.0, 0.2, 0.1}[static_cast<size_t>(runs[system]++)];
    Timeline timeline = step_of(seconds);
    timeline.measured = true;
    return Json{{"step_seconds", seconds},
                {"timeline", write_timeline(timeline)},
                {"timeline_step", 0},
                {"routing", write_routing(row.routing)}};
  };
  const Json result = run_presets_here(study, row, testing::preset("deepspeed_moe"), testing::preset("semoe"), hooks);
  EXPECT_EQ(order, (std::vector{0, 3, 3, 0, 0, 3}));
  const Json& summary = result["summary"];
  EXPECT_DOUBLE_EQ(summary["speedup_predicted"], 1.5);
  EXPECT_NEAR(summary["speedup_measured"].get<double>(), 2.1 / 2.2, 1e-12);
  EXPECT_NEAR(summary["noise"].get<double>(), 0.1 / 2.1 + 0.1 / 2.2, 1e-12);
  EXPECT_FALSE(summary["beyond_noise"].get<bool>());
  EXPECT_DOUBLE_EQ(result["presets"][1]["measured"]["class_seconds"]["experts"], 2.2);
  EXPECT_NE(presets_here_tables(result).find("measured 0.955"), std::string::npos) << presets_here_tables(result);
}

}  // namespace
}  // namespace moesaic::experiments
