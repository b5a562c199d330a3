#include "experiments/02_semoe_training_table/fit.h"

#include <gtest/gtest.h>

#include "tests/experiments/02_semoe_training_table/table_row.h"

namespace moesaic::experiments {
namespace {

/// A step of compute / GEMM efficiency + network / link efficiency seconds.
class KnownStep : public Evaluator {
 public:
  KnownStep(double compute, double network) : compute_(compute), network_(network) {}
  std::vector<Evaluation> evaluate(std::span<const Plan> plans) override {
    std::vector<Evaluation> evaluations(plans.size());
    for (size_t i = 0; i < plans.size(); ++i)
      evaluations[i].prediction.step_seconds = compute_ / plans[i].profile.assumed_flops_efficiency +
                                               network_ * 300e9 / plans[i].cluster.intra_node.bandwidth_bytes_per_s;
    return evaluations;
  }

 private:
  double compute_, network_;
};

FittedCell cell(double tokens_per_second, Bytes memory_bytes) {
  return {testing::paper_row("13.9b", "1x8", "8"), testing::preset("deepspeed_moe"), tokens_per_second, memory_bytes};
}

FitAxes axes() {
  FitAxes axes;
  axes.sequence_lengths = {512, 1024};
  axes.kept_bytes_per_score = {0};
  axes.link_efficiencies = {0.25, 0.5, 1};
  axes.spine_oversubscriptions = {1};
  return axes;
}

// 8 sequences of 1024 tokens at 8192 tokens/s: a step of 1 s = 0.1 / gemm + 0.3 / links. Links at 1 leave 0.7 s, gemm
// 1/7; links at a half leave 0.4 s, gemm 1/4; links at a quarter take 1.2 s. Priors of 1/4 and a half are met by the
// second.
TEST(Fit, TakesTheRatesNearestToThePriors) {
  FitAxes tried = axes();
  tried.gemm_prior = 0.25, tried.link_prior = 0.5;
  tried.sequence_lengths = {1024};
  KnownStep evaluator(0.1, 0.3);
  const Fit fit = fit_constants(cell(8192, 1), tried, evaluator);
  ASSERT_EQ(fit.as_good.size(), 2u);
  EXPECT_NEAR(fit.as_good[0].gemm_efficiency, 1.0 / 4, 1e-3);
  EXPECT_NEAR(fit.as_good[1].gemm_efficiency, 1.0 / 7, 1e-3);
  EXPECT_EQ(fit.chosen, fit.as_good[0]);
  ASSERT_EQ(fit.too_slow.size(), 1u);
  EXPECT_EQ(fit.too_slow[0].link_efficiency, 0.25);
}

TEST(Fit, TakesTheSequenceLengthWhoseMemoryIsNearest) {
  Constants longer;
  longer.sequence_length = 1024;
  const Bytes wanted =
      program_order_peak(cell_plan(cell(1, 1).row, testing::preset("deepspeed_moe"), longer), longer) + 1'000'000;
  KnownStep evaluator(0.1, 0.1);
  const Fit fit = fit_constants(cell(8192, wanted), axes(), evaluator);
  EXPECT_EQ(fit.chosen.sequence_length, 1024);
  ASSERT_EQ(fit.memory.size(), 2u);
  EXPECT_EQ(fit.memory[0].sequence_length, 1024);
  EXPECT_EQ(fit.memory[0].bytes, wanted - 1'000'000);
  EXPECT_EQ(fit.memory[1].sequence_length, 512);
}

}  // namespace
}  // namespace moesaic::experiments
