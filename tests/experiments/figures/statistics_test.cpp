#include "experiments/figures/statistics.h"

#include <gtest/gtest.h>

namespace moesaic::experiments {
namespace {

using Pairs = std::vector<std::pair<size_t, size_t>>;

TEST(Statistics, MedianOfOddAndEvenCounts) {
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
}

TEST(Statistics, MedianOfOneFigureOfRows) {
  struct Row {
    double seconds;
    int bytes;
  };
  const std::vector<Row> rows = {{3, 10}, {1, 40}, {2, 20}};
  EXPECT_EQ(median(rows, &Row::seconds), 2);
  EXPECT_EQ(median(rows, &Row::bytes), 20);
}

TEST(Statistics, PercentileIsTheNearestRank) {
  // 95 % of 20 values are 19 of them: the 19th smallest. 95 % of 3 are 2.85: the third.
  std::vector<double> twenty;
  for (int i = 1; i <= 20; ++i) twenty.push_back(i);
  EXPECT_EQ(percentile(twenty, 0.95), 19);
  EXPECT_EQ(percentile({10, 30, 20}, 0.95), 30);
  EXPECT_EQ(percentile({10, 30, 20}, 0), 10);
}

TEST(Statistics, NoiseIsHalfTheSpreadOfTheMedian) {
  // (120 - 80) / 2 / 100
  EXPECT_DOUBLE_EQ(repeat_noise({100, 120, 80}), 0.2);
}

TEST(Statistics, PairsWithinTheirNoiseAreLeftOut) {
  // 100 +- 10 and 115 +- 11.5 overlap (15 < 21.5); 100 and 200 +- 2 do not (100 > 12); 115 and 200 do not (85 > 13.5).
  EXPECT_EQ(distinct_pairs({100, 115, 200}, {0.1, 0.1, 0.01}), (Pairs{{0, 2}, {1, 2}}));
}

TEST(Statistics, PairsWithinAGroup) {
  EXPECT_EQ(pairs_within({{0, 1}, {0, 2}, {1, 3}, {2, 3}}, {1, 2, 1, 2}), (Pairs{{0, 2}, {1, 3}}));
}

TEST(Statistics, MedianOfTheOthersLeavesTheOwnValueOut) {
  // Group 1 is 10, 20, 60: the others of 10 are 20 and 60, of 20 are 10 and 60, of 60 are 10 and 20. Group 2 is 5 and
  // 7; 9 is alone in group 4.
  EXPECT_EQ(median_of_others({10, 5, 20, 7, 60, 9}, {1, 2, 1, 2, 1, 4}),
            (std::vector<std::optional<double>>{40, 7, 35, 5, 15, std::nullopt}));
}

TEST(Statistics, TauCountsConcordantLessDiscordantPairs) {
  const Pairs all = {{0, 1}, {0, 2}, {1, 2}};
  EXPECT_EQ(kendall_tau({1, 2, 3}, {10, 20, 30}, all), 1);
  EXPECT_EQ(kendall_tau({1, 2, 3}, {30, 20, 10}, all), -1);
  // (0, 1) discordant, (0, 2) and (1, 2) concordant: (2 - 1) / 3.
  EXPECT_DOUBLE_EQ(kendall_tau({1, 2, 3}, {20, 10, 30}, all), 1.0 / 3);
  // A tie counts for neither: (0, 1) tied, two concordant: 2 / 3.
  EXPECT_DOUBLE_EQ(kendall_tau({1, 1, 3}, {10, 20, 30}, all), 2.0 / 3);
  EXPECT_EQ(kendall_tau({1, 2}, {1, 2}, {}), 0);
}

}  // namespace
}  // namespace moesaic::experiments
