#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/schema/error.h"
#include "experiments/12_do_gpu_predictions_hold/study.h"
#include "tests/experiments/12_do_gpu_predictions_hold/world.h"

namespace moesaic::experiments {
namespace {

using testing::PredictionWorld;

ServedConfiguration on_two_ranks() {
  ServedConfiguration served;
  served.engine = "vllm 1", served.model = "small", served.device = "gpu";
  served.input = 10, served.output = 8, served.sequences = 6;
  served.tp = 2, served.expert_tp = 2, served.token_s = 3;
  return served;
}

std::string served_refusal(const ServedConfiguration& served) {
  PredictionWorld world;
  try {
    decode_plan(served, world.laboratory);
  } catch (const InputError& error) {
    return error.what();
  }
  return "none";
}

// Half of 8 tokens behind the 10 of the input: 14 are in sight.
TEST(DecodePlan, IsTheStepInTheMiddleOfTheOutput) {
  PredictionWorld world;
  const Plan plan = decode_plan(on_two_ranks(), world.laboratory);
  EXPECT_EQ(world.asked_cluster, "gpu-1x8");
  EXPECT_EQ(plan.workload.phase, WorkloadPhase::decode);
  EXPECT_EQ(plan.workload.sequence_length, 14);
  EXPECT_EQ(plan.workload.global_batch, 6);
  Layout layout;
  layout.ranks = layout.ep = layout.tp = layout.expert_slices = 2;
  layout.tp_tokens = GroupTokens::replicated;
  EXPECT_EQ(plan.layout, layout);
  EXPECT_EQ(plan.dispatch.exchange, ExpertExchange::all_gather);
}

// 4 ranks of dp: each prefills one request of 10 tokens; of 12 sequences each has 3, two of them others'.
TEST(PrefillPlan, IsOneRequestOnEveryRankOfDp) {
  PredictionWorld world;
  ServedConfiguration served = on_two_ranks();
  served.sequences = 12, served.tp = 1, served.dp = served.expert_ep = 4, served.expert_tp = 1;
  const Plan plan = prefill_plan(served, world.laboratory);
  EXPECT_EQ(plan.workload.phase, WorkloadPhase::prefill);
  EXPECT_EQ(plan.workload.global_batch, 4);
  EXPECT_EQ(plan.workload.sequence_length, 10);
  EXPECT_EQ(plan.layout, decode_plan(served, world.laboratory).layout);
  EXPECT_EQ(prefills_per_token(served), 2.0 / 8);
}

TEST(DecodePlan, TakesOtherWeightsAndLeavesTheTableAlone) {
  PredictionWorld world;
  ServedConfiguration served = on_two_ranks();
  served.weights = "fp8";
  const Plan plan = decode_plan(served, world.laboratory);
  EXPECT_EQ(plan.model.expert_dtype, DType::fp8);
  EXPECT_EQ(plan.model.weight_dtype, DType::fp8);
  EXPECT_EQ(plan.model.table_dtype, DType::bf16);
}

TEST(DecodePlan, RefusesWhatNoPlanCanSay) {
  ServedConfiguration served = on_two_ranks();
  served.expert_ep = 2;
  EXPECT_EQ(served_refusal(served), "measured run: has its attention on 2 ranks, its experts on 4; expected as many");
  served = on_two_ranks();
  served.tp = 1, served.dp = 2, served.sequences = 3;
  EXPECT_EQ(served_refusal(served),
            "measured run: divides its sequences unevenly among the ranks of dp; expected as many sequences on "
            "every rank");
  served = on_two_ranks();
  served.unclear = "is told twice";
  EXPECT_EQ(served_refusal(served), "measured run: is told twice");
  served = on_two_ranks();
  served.weights = "fp9";
  EXPECT_EQ(served_refusal(served), "measured run: has weights of type 'fp9'; expected a dtype of models");
}

// One sequence touches 8 (1 - 7/8) = 1 expert of 2 * 16 * 64 elements in each of 2 layers; its cache is of 14 tokens, 3
// layers, 2 * 4 * 4 elements. All in bf16 at one byte per second; a second rank takes half of everything.
TEST(NullModel, ReadsWeightsAndCacheOnce) {
  PredictionWorld world;
  ServedConfiguration served = on_two_ranks();
  served.sequences = 1;
  const double dense = 2.0 * static_cast<double>(count_parameters(small_model()).dense);
  const double experts = 2 * (2 * 2 * 16 * 64), cache = 2 * (14 * 3 * 2 * 4 * 4);
  EXPECT_DOUBLE_EQ(flops_and_bytes(decode_plan(served, world.laboratory)), (dense + experts + cache) / 2);
}

ServedRow served_row(Seconds measured, Seconds predicted, Seconds null) {
  ServedRow row{{predicted, null, "experts", 0.75, true}, on_two_ranks()};
  row.served.token_s = measured;
  return row;
}

// Errors 10, -10, 25 %; the null model says 2 s whatever it is asked: errors 100, 0, -50 %, no pair in order. The
// fourth row serves other requests: no pair with it.
TEST(ServedErrors, CountPairsOfOneQuestion) {
  std::vector<ServedRow> rows = {served_row(1, 1.1, 2), served_row(2, 1.8, 2), served_row(4, 5, 2),
                                 served_row(1, 1.2, 2)};
  rows[3].served.input = 11;
  rows[3].fits = false;
  rows[3].served.engine = "sglang 2";
  const std::vector<ServedErrors> errors = served_errors(rows);
  ASSERT_EQ(errors.size(), 5U);  // all, the device, the model, two engines
  const ServedErrors& all = errors[0];
  EXPECT_EQ(all.of, "all");
  EXPECT_EQ(all.rows, 4);
  EXPECT_EQ(all.too_large, 1);
  EXPECT_NEAR(all.median, 0.15, 1e-12);
  EXPECT_NEAR(all.mean, (0.1 + 0.1 + 0.25 + 0.2) / 4, 1e-12);
  EXPECT_NEAR(all.p90, 0.25, 1e-12);
  EXPECT_NEAR(all.median_of_signed, 0.15, 1e-12);
  EXPECT_NEAR(all.null_median, 0.75, 1e-12);
  EXPECT_EQ(all.pairs, 3);
  EXPECT_EQ(all.in_order, 3);
  EXPECT_EQ(all.null_in_order, 0);
  EXPECT_EQ(errors[3].of, "sglang");
  EXPECT_EQ(errors[4].of, "vllm");
  EXPECT_EQ(errors[4].rows, 3);
}

// 6 sequences take 6 s, the prefill of one 1 s. While a request makes its 8 tokens the 5 others are followed by new
// ones: 5/8 s more per token; of 3 s that were measured that is 120.8 % too much.
TEST(PredictionStudy, KeepsWhatItLeavesOutApart) {
  PredictionWorld world;
  PredictionAxes axes{"12", {on_two_ranks(), on_two_ranks(), on_two_ranks()}, {}, {}};
  axes.served[1].expert_ep = axes.served[2].expert_ep = 2;
  const PredictionResult result = run_prediction_study(axes, world.laboratory);
  ASSERT_EQ(result.rows.size(), 1U);
  EXPECT_EQ(result.rows[0].predicted_s, 6);
  EXPECT_EQ(result.rows[0].prefill_s, 1);
  EXPECT_EQ(result.rows[0].error(), 1);
  EXPECT_EQ(result.rows[0].error_with_prefills(), 6.625 / 3 - 1);
  EXPECT_EQ(result.summary[0].with_prefills_median, 6.625 / 3 - 1);
  EXPECT_EQ(result.rows[0].bound_by, "experts");
  EXPECT_EQ(result.rows[0].bound_share, 0.75);
  ASSERT_EQ(result.left_out.size(), 1U);
  EXPECT_EQ(result.left_out[0].rows, 2);
  EXPECT_EQ(write_document(read_document<PredictionResult>(write_document(result), "again")), write_document(result));
}

}  // namespace
}  // namespace moesaic::experiments
