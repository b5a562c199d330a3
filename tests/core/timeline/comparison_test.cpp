#include "core/timeline/comparison.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/core/timeline/sample_timeline.h"

namespace moesaic {
namespace {

// Predicted means: attention (4 + 2) / 2 = 3 ms, dispatch (4 + 5) / 2 = 4.5 ms, weight grad (1 + 3) / 2 = 2 ms; step 10
// ms. Measured means: attention 2 ms, dispatch 5 ms, weight grad 2 ms; step 8 ms.
Timeline measured_sample() {
  Timeline timeline = sample_timeline();
  timeline.measured = true;
  timeline.step_seconds = 0.008;
  timeline.times = {{0, 0, 0.000, 0.002}, {0, 1, 0.002, 0.007}, {0, 2, 0.006, 0.008},
                    {1, 0, 0.000, 0.002}, {1, 1, 0.002, 0.007}, {1, 2, 0.006, 0.008}};
  return timeline;
}

TEST(Compare, HandArithmetic) {
  const Comparison comparison = compare(sample_timeline(), measured_sample());
  EXPECT_TRUE(comparison.same_plan);
  EXPECT_DOUBLE_EQ(comparison.step_error, 0.25);  // (10 - 8) / 8
  ASSERT_EQ(comparison.tasks.size(), 3u);
  const TaskComparison& attention = comparison.tasks[0];
  EXPECT_EQ(attention.label, "layer 0 / attention");
  EXPECT_NEAR(attention.predicted, 0.003, 1e-15);
  EXPECT_NEAR(attention.measured, 0.002, 1e-15);
  EXPECT_NEAR(attention.relative_error, 0.5, 1e-12);
  EXPECT_NEAR(attention.contribution, 0.125, 1e-12);              // 1 ms of 8 ms
  EXPECT_NEAR(comparison.tasks[1].relative_error, -0.1, 1e-12);   // (4.5 - 5) / 5
  EXPECT_NEAR(comparison.tasks[1].contribution, -0.0625, 1e-12);  // -0.5 ms of 8 ms
  EXPECT_NEAR(comparison.tasks[2].relative_error, 0, 1e-12);
  EXPECT_EQ(comparison.counted_tasks, 3);
  EXPECT_NEAR(comparison.median_task_error, 0.1, 1e-12);  // of 0, 0.1, 0.5
  EXPECT_NEAR(comparison.p95_task_error, 0.5, 1e-12);     // the ceil(2.85) = 3rd

  ASSERT_EQ(comparison.operators.size(), 3u);
  EXPECT_EQ(comparison.operators[0].name, "attention");
  EXPECT_EQ(comparison.operators[1].name, "linear_wgrad");
  EXPECT_EQ(comparison.operators[2].name, "all_to_all");
  ASSERT_EQ(comparison.lanes.size(), 2u);
  EXPECT_EQ(comparison.lanes[0].name, "compute");  // 3 + 2 = 5 ms against 2 + 2 = 4 ms
  EXPECT_EQ(comparison.lanes[0].predicted_tasks, 2);
  EXPECT_NEAR(comparison.lanes[0].predicted, 0.005, 1e-15);
  EXPECT_NEAR(comparison.lanes[0].measured, 0.004, 1e-15);
  EXPECT_NEAR(comparison.lanes[0].relative_error, 0.25, 1e-12);
}

TEST(Compare, EqualTimelinesHaveNoError) {
  const Comparison comparison = compare(sample_timeline(), sample_timeline());
  EXPECT_EQ(comparison.step_error, 0);
  EXPECT_EQ(comparison.median_task_error, 0);
  EXPECT_EQ(comparison.p95_task_error, 0);
  EXPECT_TRUE(comparison.only_predicted.empty());
  EXPECT_TRUE(comparison.only_measured.empty());
}

TEST(Compare, ReportsTasksOfOneSideAndOtherPlans) {
  Timeline measured = measured_sample();
  measured.plan_hash = "00000000000000bb";
  measured.rows[1].label = "layer 0 / dispatch / chunk 0";
  const Comparison comparison = compare(sample_timeline(), measured);
  EXPECT_FALSE(comparison.same_plan);
  EXPECT_EQ(comparison.only_predicted, std::vector<std::string>{"layer 0 / dispatch"});
  EXPECT_EQ(comparison.only_measured, std::vector<std::string>{"layer 0 / dispatch / chunk 0"});
  EXPECT_EQ(comparison.tasks.size(), 2u);
  EXPECT_NEAR(comparison.lanes[1].predicted, 0.0045, 1e-15);  // the network lane keeps both sides' own tasks
  EXPECT_NEAR(comparison.lanes[1].measured, 0.005, 1e-15);
}

// Step 1 s: 0.1 % is 1 ms, so the rule is 20 us. Step 10 ms: 0.1 % is 10 us, so the rule is 10 us. The longer side
// decides.
struct CountedCase {
  double step, predicted, measured;
  bool counted;
};
class CountedTasks : public ::testing::TestWithParam<CountedCase> {};

TEST_P(CountedTasks, FollowTheRule) {
  const CountedCase& c = GetParam();
  Timeline predicted, measured;
  predicted.rows = measured.rows = {{"task", Op::add}};
  predicted.times = {{0, 0, 0, c.predicted}};
  measured.times = {{0, 0, 0, c.measured}};
  measured.step_seconds = c.step;
  EXPECT_EQ(compare(predicted, measured).counted_tasks, c.counted ? 1 : 0);
}

INSTANTIATE_TEST_SUITE_P(Table, CountedTasks,
                         ::testing::Values(CountedCase{1, 21e-6, 1e-6, true}, CountedCase{1, 1e-6, 21e-6, true},
                                           CountedCase{1, 20e-6, 20e-6, false}, CountedCase{0.010, 11e-6, 5e-6, true},
                                           CountedCase{0.010, 9e-6, 9e-6, false}));

TEST(Compare, TaskThatTookNoMeasurableTimeHasFiniteError) {
  Timeline predicted, measured;
  predicted.rows = measured.rows = {{"task", Op::add}};
  predicted.times = {{0, 0, 0, 5e-9}};
  measured.times = {{0, 0, 0, 0}};
  EXPECT_DOUBLE_EQ(compare(predicted, measured).tasks[0].relative_error, 5);  // 5 ns / 1 ns
}

TEST(Compare, NinetyFifthPercentileIsTheNearestRank) {
  // 40 tasks with errors 0.01 .. 0.40: the median is 0.205, the 95th percentile is number ceil(38) = 38: 0.38.
  Timeline predicted, measured;
  measured.step_seconds = 1;
  for (int task = 0; task < 40; ++task) {
    predicted.rows.push_back({std::to_string(task), Op::add});
    predicted.times.push_back({0, task, 0, 1 + 0.01 * (task + 1)});
    measured.times.push_back({0, task, 0, 1});
  }
  measured.rows = predicted.rows;
  const Comparison comparison = compare(predicted, measured);
  EXPECT_NEAR(comparison.median_task_error, 0.205, 1e-12);
  EXPECT_NEAR(comparison.p95_task_error, 0.38, 1e-12);
}

TEST(WriteComparison, HasThePromisedKeysAndTheTasks) {
  const Json json = write_comparison(compare(sample_timeline(), measured_sample()));
  EXPECT_DOUBLE_EQ(json["step_error"].get<double>(), 0.25);
  EXPECT_NEAR(json["median_task_error"].get<double>(), 0.1, 1e-12);
  EXPECT_NEAR(json["p95_task_error"].get<double>(), 0.5, 1e-12);
  ASSERT_EQ(json["tasks"].size(), 3u);
  EXPECT_EQ(json["tasks"][1]["label"], "layer 0 / dispatch");
  EXPECT_EQ(json["tasks"][1]["operator"], "all_to_all");
  EXPECT_EQ(json["lanes"][1]["name"], "network");
}

TEST(ComparisonTable, WholeText) {
  EXPECT_EQ(comparison_table(compare(sample_timeline(), measured_sample())),
            R"(step: predicted 10 ms, measured 8 ms, error +25.0 %
tasks: median error 10 %, 95th percentile 50 % (3 of 3 tasks: those longer than 20 us or 0.1 % of the step)

  worst tasks           predicted ms  measured ms       error of the step
  layer 0 / attention          3.000        2.000     +50.0 %    +12.50 %
  layer 0 / dispatch           4.500        5.000     -10.0 %     -6.25 %
  layer 0 / weight grad        2.000        2.000      +0.0 %     +0.00 %

  operators             predicted ms  measured ms       error
  attention                    3.000        2.000     +50.0 %
  linear_wgrad                 2.000        2.000      +0.0 %
  all_to_all                   4.500        5.000     -10.0 %

  lanes                 predicted ms  measured ms       error
  compute                      5.000        4.000     +25.0 %
  network                      4.500        5.000     -10.0 %

  time of a rank        predicted ms  measured ms of the step
  compute                      5.000        4.000     +12.5 %
  exposed communication        4.000        4.000      +0.0 %
  idle                         1.000        0.000     +12.5 %
)");
}

// As planned the step is 6 ms, with the routing of the run 10 ms, measured 8 ms: (6 - 8) / 8 = -25 %, of which prices
// (10 - 8) / 8 = +25 %, and the routing forecast the other -50 %.
TEST(ComparisonTable, SaysWhatThePlanSaidAndWhyItIsAnother) {
  Comparison comparison = compare(sample_timeline(), measured_sample());
  comparison.planned = compare_planned(0.006, 0.008);
  std::string text = comparison_table(comparison);
  EXPECT_EQ(text.substr(0, text.find('\n')),
            "step: predicted 10 ms with the routing of the run (6 ms as planned), measured 8 ms, error "
            "+25.0 %");
  EXPECT_EQ(text.substr(text.rfind("\n\n")),
            "\n\nstep error as planned -25.0 % = prices +25.0 %, routing forecast -50.0 %\n");
  Json json = write_comparison(comparison);
  EXPECT_EQ(json["planned_step_seconds"], 0.006);
  EXPECT_NEAR(json["step_error_as_planned"].get<double>(), -0.25, 1e-12);
  EXPECT_NEAR(json["step_error_of_cost"].get<double>(), 0.25, 1e-12);
  EXPECT_NEAR(json["step_error_of_routing"].get<double>(), -0.5, 1e-12);

  // Of another plan the difference is not the prices' doing.
  comparison.same_plan = false;
  EXPECT_EQ(comparison_table(comparison).find("step error as planned"), std::string::npos);
  json = write_comparison(comparison);
  EXPECT_EQ(json["planned_step_seconds"], 0.006);
  for (const char* key : {"step_error_as_planned", "step_error_of_cost", "step_error_of_routing"})
    EXPECT_FALSE(json.contains(key)) << key;
}

}  // namespace
}  // namespace moesaic
