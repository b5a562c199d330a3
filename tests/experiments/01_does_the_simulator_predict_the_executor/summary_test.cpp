#include "experiments/01_does_the_simulator_predict_the_executor/summary.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/documents.h"
#include "core/schema/error.h"

namespace moesaic::experiments {
namespace {

/// Two plans on one rank, 100 and 200 ms; three on two ranks, 10, 20 and 40 ms. Rounds are the median and it +- 2 %.
std::vector<FidelityRow> five_plans() {
  const auto plan = [](int ranks, double measured, double predicted, double plain) {
    FidelityRow row;
    row.ranks = ranks;
    row.repeats_s = {0.98 * measured, measured, 1.02 * measured};
    row.predicted_s = row.predicted_with_recorded_routing_s = predicted;
    row.plain_model_s = plain;
    row.plain_model_with_recorded_routing_s = plain;
    return row;
  };
  return {plan(1, 0.100, 0.110, 0.100), plan(1, 0.200, 0.180, 0.100), plan(2, 0.010, 0.012, 0.020),
          plan(2, 0.020, 0.010, 0.020), plan(2, 0.040, 0.040, 0.010)};
}

void expect_near(std::optional<double> given, double expected) {
  ASSERT_TRUE(given.has_value());
  EXPECT_NEAR(*given, expected, 1e-12);
}

TEST(FidelitySummary, ErrorsOfOurs) {
  // +10, -10, +20, -50, 0 %: sorted sizes 0, 10, 10, 20, 50 %. The fifth of five is the 95th percentile.
  const ModelFigures ours = fidelity_summary(five_plans()).ours;
  expect_near(ours.median_step_error, 0.1);
  expect_near(ours.p95_step_error, 0.5);
  expect_near(ours.median_error_of_cost, 0.1);
  expect_near(ours.median_error_of_routing, 0);
}

TEST(FidelitySummary, OrderOverAllPairsAndWithinRankCounts) {
  // All 10 pairs differ by more than their noise of 2 %: 1 on one rank, 3 on two, 6 across.
  const FidelitySummary summary = fidelity_summary(five_plans());
  EXPECT_EQ(summary.pairs_above_noise, 10);
  Json pairs;
  put(pairs, summary.pairs_above_noise_within_rank_counts);
  EXPECT_EQ(pairs, Json({{{"ranks", 1}, {"pairs", 1}}, {{"ranks", 2}, {"pairs", 3}}}));
  // Ours: one wrong pair, 10 and 20 ms predicted 12 and 10: (9 - 1) / 10, within (3 - 1) / 4.
  expect_near(summary.ours.kendall_tau, 0.8);
  expect_near(summary.ours.kendall_tau_within_rank_counts, 0.5);
  // Plain: the 6 pairs across right; 100, 100 and 20, 20 tie; 20 > 10 wrong twice: (6 - 2) / 10, within (0 - 2) / 4.
  expect_near(summary.plain_model.kendall_tau, 0.4);
  expect_near(summary.plain_model.kendall_tau_within_rank_counts, -0.5);
  // Rounds differ by one factor for all plans: they order them alike.
  expect_near(summary.tau_of_measurement_with_itself, 1);
  expect_near(summary.tau_of_measurement_with_itself_within_rank_counts, 1);
}

TEST(FidelitySummary, NullModelIsTheMedianOfTheOthersOnAsManyRanks) {
  // For 100: 200, +100 %. For 200: 100, -50 %. For 10: (20 + 40) / 2 = 30, +200 %. For 20: 25, +25 %. For 40: 15,
  // -62.5 %. Sorted 25, 50, 62.5, 100, 200. No order is given.
  const NullFigures null = fidelity_summary(five_plans()).null_model;
  expect_near(null.median_step_error, 0.625);
  expect_near(null.p95_step_error, 2);
}

TEST(FidelitySummary, APlanAloneOnItsRankCountHasNoNullModel) {
  // 100 and 200 ms on one rank are forecast 100 % and 50 % off; the one on two ranks by nobody: median 75 %.
  std::vector<FidelityRow> plans = five_plans();
  plans.resize(3);
  expect_near(fidelity_summary(plans).null_model.median_step_error, 0.75);
  EXPECT_FALSE(fidelity_summary({plans[2]}).null_model.median_step_error.has_value());
}

TEST(FidelitySummary, BiasOfEachRoundHasItsSign) {
  // Against the median the errors are -50, -10, 0, +10, +20 %: median 0; a round 2 % faster: 1 / 0.98 - 1.
  const std::vector<double> bias = fidelity_summary(five_plans()).bias_of_rounds;
  ASSERT_EQ(bias.size(), 3u);
  expect_near(bias[0], 1 / 0.98 - 1);
  expect_near(bias[1], 0);
  expect_near(bias[2], 1 / 1.02 - 1);
}

// +10 and -10 % on one rank, +20, -50 and 0 % on two.
TEST(FidelitySummary, BiasOfEachNumberOfRanks) {
  const std::vector<BiasOfRanks> bias = fidelity_summary(five_plans()).bias_of_ranks;
  ASSERT_EQ(bias.size(), 2u);
  EXPECT_EQ(bias[0].ranks, 1);
  expect_near(bias[0].bias, 0);
  EXPECT_EQ(bias[1].ranks, 2);
  expect_near(bias[1].bias, 0);
}

Json fidelity_result() {
  const auto row = [](int ranks, double first, double second, double predicted) {
    return Json{{"plan", "p"},
                {"ranks", ranks},
                {"near_best", true},
                {"measured_s", first},
                {"repeat_noise", 0.0},
                {"repeats_s", {first, second}},
                {"predicted_s", predicted},
                {"predicted_with_recorded_routing_s", predicted},
                {"plain_model_s", predicted}};
  };
  return {{"kind", "moesaic.result/1"},
          {"rounds", 2},
          {"summary", {{"plain_model", {{"median_step_error", 7}, {"median_error_of_cost", 0.125}}}, {"kept", 3}}},
          {"rows", {row(1, 1.0, 1.0, 1.5), row(1, 2.0, 2.0, 2.5)}}};
}

TEST(FidelitySummary, RowsReplaceWhatTheyHoldAndNothingElse) {
  const Json again = with_summary_of_rows(fidelity_result(), "result.json");
  EXPECT_EQ(again["rows"], fidelity_result()["rows"]);
  // +50 and +25 %; the rows hold no prediction of the plain model with the recorded routing.
  EXPECT_EQ(again["summary"]["plain_model"]["median_step_error"], 0.375);
  EXPECT_EQ(again["summary"]["plain_model"]["median_error_of_cost"], 0.125);
  EXPECT_EQ(again["summary"]["kept"], 3);
  EXPECT_EQ(again["summary"]["null_model"]["median_step_error"], 0.75);  // 2 for 1 and 1 for 2
  EXPECT_EQ(with_summary_of_rows(again, "result.json"), again);
}

TEST(FidelitySummary, CommittedFiguresAreThoseOfTheirRows) {
  for (const char* name : {"01_does_the_simulator_predict_the_executor", "09_does_it_predict_where_states_live"}) {
    const Json committed = read_json(std::string(MOESAIC_SOURCE_DIR "/experiments/") + name + "/result.json");
    EXPECT_EQ(with_summary_of_rows(committed, name), committed) << name << ": moesaic experiment summarize " << name;
  }
}

TEST(FidelitySummary, RowsThatLackARoundAreRefused) {
  Json lacking = fidelity_result();
  lacking["rows"][1]["repeats_s"] = {2.0};
  try {
    with_summary_of_rows(lacking, "result.json");
    FAIL() << "not refused";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("/rows/1/repeats_s"), std::string::npos) << error.what();
  }
  lacking["rows"] = Json::array();
  EXPECT_THROW(with_summary_of_rows(lacking, "result.json"), InputError);
}

}  // namespace
}  // namespace moesaic::experiments
