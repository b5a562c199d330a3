#include "core/timeline/disturbance.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "core/timeline/comparison.h"
#include "tests/core/timeline/sample_timeline.h"

namespace moesaic {
namespace {

// Eleven steps: the first makes kernels and counts for nothing, four of the other ten lost time. The six that did not
// took 8.0, 8.2, 8.4, 8.0, 7.8 and 8.6 ms: sorted 7.8 8.0 8.0 8.2 8.4 8.6, median (8.0 + 8.2) / 2 = 8.1 ms. All ten:
// 7.8 8.0 8.0 8.2 8.4 8.6 12 13 14 16. The ranks lost 20 and 10 %: 15 % of their time.
Json sample_result() {
  return {{"all_step_seconds", {0.030, 0.0080, 0.012, 0.0082, 0.013, 0.0084, 0.014, 0.0080, 0.016, 0.0078, 0.0086}},
          {"timeline_step", 10},
          {"disturbance",
           {{"disturbed", true},
            {"share", 0.15},
            {"steal_share", 0.02},
            {"ranks_per_core", 1.0},
            {"by_rank", {0.2, 0.1}},
            {"involuntary_switches", {31, 12}},
            {"by_step", {0.6, 0.01, 0.4, 0.0, 0.35, 0.049, 0.05, 0.02, 0.5, 0.0, 0.03}}}}};
}

// Predicted 10 ms; measured 8 ms in the sample: error +25.0 %. Against the undisturbed: (10 - 8.1) / 8.1 = +23.457 %.
Comparison sample_comparison(const Json& result) {
  Timeline measured = sample_timeline();
  measured.measured = true;
  measured.step_seconds = 0.008;
  Comparison comparison = compare(sample_timeline(), measured);
  comparison.disturbance = compare_undisturbed(comparison.predicted_step, *read_measured_steps(result, "r.json"));
  return comparison;
}

std::string first_lines(const std::string& text, int lines) {
  size_t end = 0;
  for (int i = 0; i < lines; ++i) end = text.find('\n', end) + 1;
  return text.substr(0, end);
}

TEST(Disturbance, ComparesWithTheUndisturbedStepsToo) {
  const Comparison comparison = sample_comparison(sample_result());
  EXPECT_EQ(first_lines(comparison_table(comparison), 4),
            "step: predicted 10 ms, measured 8 ms, error +25.0 %\n"
            "the machine was disturbed: 15 % of the ranks' time\n"
            "undisturbed steps: 6 of 10 (the first is not counted), median 8.1 ms, error +23.5 %\n"
            "tasks: median error 0 %, 95th percentile 0 % (3 of 3 tasks: those longer than 20 us or 0.1 % of the "
            "step)\n");
  Json json = write_comparison(comparison)["disturbance"];
  EXPECT_NEAR(json["share"].get<double>(), 0.15, 1e-15);
  EXPECT_NEAR(json["undisturbed_step_seconds"].get<double>(), 0.0081, 1e-15);
  EXPECT_NEAR(json["undisturbed_step_error"].get<double>(), 1.9 / 8.1, 1e-12);
  for (const char* near : {"share", "undisturbed_step_seconds", "undisturbed_step_error"}) json.erase(near);
  const Json expected = {
      {"disturbed", true}, {"steal_share", 0.02},    {"sentence", "the machine was disturbed: 15 % of the ranks' time"},
      {"steps", 10},       {"undisturbed_steps", 6}, {"share_of_shown_step", 0.03}};
  EXPECT_EQ(json, expected);
}

TEST(Disturbance, SaysWhenNoStepWasUndisturbed) {
  Json result = sample_result();
  for (Json& share : result["disturbance"]["by_step"]) share = 0.3;
  const Comparison comparison = sample_comparison(result);
  EXPECT_EQ(first_lines(comparison_table(comparison), 4),
            "step: predicted 10 ms, measured 8 ms, error +25.0 %\n"
            "the machine was disturbed: 15 % of the ranks' time\n"
            "undisturbed steps: none of 10 (the first is not counted)\n"
            "the tasks below are of a step in which a rank lost 30 % of its time\n");
  const Json json = write_comparison(comparison)["disturbance"];
  EXPECT_EQ(json["undisturbed_steps"], 0);
  EXPECT_TRUE(json["undisturbed_step_seconds"].is_null());
  EXPECT_TRUE(json["undisturbed_step_error"].is_null());
}

TEST(Disturbance, IsNotMentionedWhereThereWasNone) {
  Json result = sample_result();
  result["disturbance"]["by_rank"] = {0.05, 0.03};  // 4 %
  const Comparison comparison = sample_comparison(result);
  EXPECT_EQ(comparison_table(comparison).find("disturbed"), std::string::npos);
  EXPECT_EQ(write_comparison(comparison)["disturbance"]["disturbed"], false);
  EXPECT_EQ(write_comparison(comparison)["disturbance"]["sentence"], "");
}

TEST(Disturbance, IsUnknownOfAnOlderResult) {
  Json result = sample_result();
  result.erase("disturbance");
  EXPECT_FALSE(read_measured_steps(result, "r.json").has_value());
  EXPECT_FALSE(write_comparison(compare(sample_timeline(), sample_timeline())).contains("disturbance"));
}

TEST(Disturbance, NamesEachCause) {
  RunDisturbance disturbance;
  disturbance.by_rank = {0.5, 0.46, 0.5, 0.46};  // 48 %
  disturbance.ranks_per_core = 2;
  EXPECT_EQ(sentence_of(disturbance), "the machine was disturbed: 48 % of the ranks' time, with 2 ranks per core");
  disturbance.steal_share = 0.12;
  EXPECT_EQ(sentence_of(disturbance),
            "the machine was disturbed: 48 % of the ranks' time, with 2 ranks per core, 12 % of its cores' time went "
            "to other guests");
  disturbance.by_rank.clear();
  EXPECT_EQ(sentence_of(disturbance), "the machine was disturbed: 12 % of its cores' time went to other guests");
  disturbance.steal_share = 0.049;
  EXPECT_EQ(sentence_of(disturbance), "");
}

// One step is all there is: it counts. Of more the first does not.
TEST(Disturbance, CountsTheOnlyStep) {
  const UndisturbedSteps one = undisturbed_steps({0.5}, {0.0}), two = undisturbed_steps({0.5, 0.25}, {0.0, 0.0}),
                         unmeasured = undisturbed_steps({0.5, 0.25}, {});
  EXPECT_EQ(one.of, 1);
  EXPECT_EQ(one.median, 0.5);
  EXPECT_EQ(two.of, 1);
  EXPECT_EQ(two.median, 0.25);
  EXPECT_EQ(unmeasured.of, 0);
  EXPECT_EQ(unmeasured.steps, 0);
}

TEST(Disturbance, OfAResultIsReadBackAsItWasWritten) {
  Json result = sample_result();
  const MeasuredSteps steps = *read_measured_steps(result, "r.json");
  EXPECT_EQ(steps.shown, 10);
  EXPECT_EQ(steps.seconds.size(), 11u);
  Json again = write_disturbance(steps.disturbance);
  EXPECT_NEAR(again["share"].get<double>(), 0.15, 1e-15);
  again["share"] = 0.15;
  EXPECT_EQ(again, result["disturbance"]);
}

void expect_refused(const Json& result, const std::string& text) {
  try {
    read_measured_steps(result, "r.json");
    FAIL() << "not refused: " << text;
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
  }
}

TEST(Disturbance, RefusesWhatCannotBe) {
  Json result = sample_result();
  result["disturbance"]["by_step"].erase(0);
  expect_refused(result, "/disturbance/by_step: has 10 shares; expected one for each of the 11 steps");
  result = sample_result();
  result["disturbance"]["steal_share"] = 1.5;
  expect_refused(result, "/disturbance/steal_share");
  result = sample_result();
  result["disturbance"]["by_cores"] = 1;
  expect_refused(result, "/disturbance");
  result = sample_result();
  result["timeline_step"] = 11;
  expect_refused(result, "/timeline_step");
}

}  // namespace
}  // namespace moesaic
