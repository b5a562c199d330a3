#include "executor/runtime/training/duration_statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/schema/hash.h"

namespace moesaic::executor {
namespace {

double uniform(uint64_t draw) { return static_cast<double>(splitmix64(draw) >> 11) / 9007199254740992.0; }

// Against the sorted durations, drawn evenly over the logarithm of what a clock sees: 10^-8 to 10^2 s.
TEST(DurationStatistics, MedianIsWithinItsError) {
  for (const size_t count : {1u, 2u, 3u, 10u, 1001u, 20000u}) {
    DurationStatistics statistics;
    std::vector<Seconds> all;
    for (size_t i = 0; i < count; ++i) {
      all.push_back(std::pow(10.0, -8 + 10 * uniform(count * 100000 + i)));
      statistics.add(all.back());
    }
    Seconds sum = 0;
    for (const Seconds duration : all) sum += duration;
    std::sort(all.begin(), all.end());
    const DurationFigures figures = statistics.figures();
    EXPECT_EQ(figures.count, static_cast<int64_t>(count));
    EXPECT_NEAR(figures.mean, sum / static_cast<double>(count), 1e-12 * sum);
    EXPECT_EQ(figures.least, all.front());
    EXPECT_EQ(figures.most, all.back());
    const Seconds median = all[(count - 1) / 2];
    EXPECT_NEAR(figures.median, median, DurationStatistics::kMedianError * median * (1 + 1e-9)) << count;
  }
}

// 60, 3 and 7 us: mean (60 + 3 + 7) / 3 = 70 / 3.
TEST(DurationStatistics, WholeFigures) {
  DurationStatistics statistics;
  EXPECT_EQ(statistics.figures().count, 0);
  EXPECT_EQ(statistics.figures().median, 0);
  for (const Seconds duration : {60e-6, 3e-6, 7e-6}) statistics.add(duration);
  EXPECT_NEAR(statistics.figures().mean, 70e-6 / 3, 1e-12);
  EXPECT_NEAR(statistics.figures().median, 7e-6, 7e-8);
  EXPECT_EQ(statistics.figures().least, 3e-6);
  EXPECT_EQ(statistics.figures().most, 60e-6);
}

// Two adjacent clock readings may be equal or, between cores, reversed; a suspended machine makes a step of days.
TEST(DurationStatistics, TakesWhatNoBucketIsFor) {
  DurationStatistics statistics;
  for (const Seconds duration : {-1e-9, 0.0, 1e9}) statistics.add(duration);
  EXPECT_EQ(statistics.figures().least, -1e-9);
  EXPECT_NEAR(statistics.figures().median, 1e-9, 1e-11);  // 0 counts as the clock's unit
  EXPECT_EQ(statistics.figures().most, 1e9);
  EXPECT_EQ(statistics.num_buckets(), static_cast<size_t>(DurationStatistics::kMostBuckets));
}

// Ten times as many of the same spread need no more buckets. From 1 to 10 ms it is at most
// ln(10) / ln(1.01 / 0.99) + 2 = 117 of them.
TEST(DurationStatistics, MemoryDoesNotGrowWithTheCount) {
  DurationStatistics statistics;
  for (uint64_t i = 0; i < 100000; ++i) statistics.add(1e-3 + 9e-3 * uniform(i));
  EXPECT_LE(statistics.num_buckets(), 117u);
}

}  // namespace
}  // namespace moesaic::executor
