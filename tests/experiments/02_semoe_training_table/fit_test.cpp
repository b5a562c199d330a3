#include "experiments/02_semoe_training_table/fit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/schema/error.h"
#include "tests/experiments/02_semoe_training_table/table_row.h"

namespace moesaic::experiments {
namespace {

/// A step takes as many milliseconds as a sequence has tokens, half of that in the system that divides dense states;
/// memory is one byte a token, and with top-4 nothing fits.
class KnownCells : public Evaluator {
 public:
  std::vector<Evaluation> evaluate(std::span<const Plan> plans) override {
    std::vector<Evaluation> evaluations(plans.size());
    for (size_t i = 0; i < plans.size(); ++i) {
      const auto tokens = static_cast<double>(plans[i].workload.sequence_length);
      Prediction& prediction = evaluations[i].prediction;
      prediction.step_seconds = tokens / 1e3 * (plans[i].layout.zero == 3 ? 0.5 : 1);
      prediction.peak_bytes["device"] = plans[i].workload.sequence_length * plans[i].model.top_k;
      evaluations[i].feasible = plans[i].model.top_k < 4;
    }
    return evaluations;
  }
};

FittedCell cell(double tokens_per_second, Bytes memory_bytes) {
  return {testing::paper_row("13.9b", "1x8", "8"), testing::preset("deepspeed_moe"), testing::preset("semoe"),
          tokens_per_second, memory_bytes};
}

// Always 8 * n tokens in n ms: 8000 tokens/s, the cell's; so memory decides: of 1024 * {1, 2} and 2048 * {1, 2} bytes
// 2048 are wanted, which two combinations have, in the order in which they are tried.
TEST(TryUnknowns, TheNearestComesFirst) {
  KnownCells evaluator;
  const FitAxes axes{{1024, 2048}, {1, 2, 4}, {1.0}, {12.5e9}, {0}};
  const std::vector<TriedUnknowns> tried = try_unknowns(cell(8000, 2048), axes, evaluator);
  ASSERT_EQ(tried.size(), 4u) << "top-4 fits nowhere";
  EXPECT_EQ(tried[0].unknowns, (Unknowns{1024, 2, 1, 12.5e9, false}));
  EXPECT_EQ(tried[1].unknowns, (Unknowns{2048, 1, 1, 12.5e9, false}));
  EXPECT_NEAR(tried[0].throughput_error, 0, 1e-12);
  EXPECT_EQ(tried[0].memory_error, 0);
  EXPECT_EQ(tried[0].ratio, 2);
  EXPECT_EQ(tried[2].memory_error, -0.5);
  EXPECT_EQ(tried[3].memory_error, 1);
  EXPECT_DOUBLE_EQ(tried[2].distance(), tried[3].distance()) << "half as much and twice as much are as far";
  EXPECT_DOUBLE_EQ(tried[3].distance(), std::log(2));
}

// 12 layers of 64 heads keep 5 bytes a score: 4.03e9 bytes at 1,024 tokens, 103.1e9 at 5,120, more than 80e9.
TEST(TryUnknowns, CountsKeptScoresIntoWhatFits) {
  KnownCells evaluator;
  const FitAxes axes{{1024, 5120}, {1}, {1.0}, {12.5e9}, {0, 1}};
  std::vector<std::pair<int64_t, bool>> tried;
  for (const TriedUnknowns& of : try_unknowns(cell(8000, 2048), axes, evaluator))
    tried.emplace_back(of.unknowns.sequence_length, of.unknowns.keeps_scores);
  std::sort(tried.begin(), tried.end());
  EXPECT_EQ(tried, (std::vector<std::pair<int64_t, bool>>{{1024, false}, {1024, true}, {5120, false}}));
}

TEST(TryUnknowns, SaysWhenNothingFits) {
  KnownCells evaluator;
  EXPECT_THROW(try_unknowns(cell(8000, 2048), {{1024}, {4}, {1.0}, {12.5e9}, {0}}, evaluator), InvariantError);
}

}  // namespace
}  // namespace moesaic::experiments
