#include "core/cost/curve.h"

#include <gtest/gtest.h>

#include <vector>

namespace moesaic {
namespace {

const std::vector<int64_t> kSizes = {16, 64, 256};
const std::vector<Seconds> kSeconds = {4e-6, 8e-6, 20e-6};

struct Case {
  int64_t size;
  Seconds seconds;
  bool inside;
};

TEST(Curve, ReadsPointsLinesAndBeyond) {
  // 40 is half way from 16 to 64: 6 us. 112 is a quarter of the way from 64 to 256: 8 + 3 = 11 us.
  // Slope of the first line 4 us / 48 rows: 4 rows cost 4 - 12 / 12 = 3 us, 1 row 4 - 15 / 12 = 2.75 us; never below 2
  // us. Above: 20 us / 256 rows, so 1024 rows cost 80 us.
  const Case cases[] = {{16, 4e-6, true},   {64, 8e-6, true}, {256, 20e-6, true},  {40, 6e-6, true},
                        {112, 11e-6, true}, {4, 3e-6, false}, {1, 2.75e-6, false}, {1024, 80e-6, false}};
  for (const Case& c : cases) {
    const CurveReading reading = read_curve(kSizes, kSeconds, c.size);
    EXPECT_NEAR(reading.seconds, c.seconds, 1e-18) << c.size;
    EXPECT_EQ(reading.inside, c.inside) << c.size;
  }
}

TEST(Curve, NeverBelowHalfOfTheFirstPoint) {
  // The line through (10, 1) and (20, 2) gives 0.1 for 1; half of the first point is 0.5.
  EXPECT_EQ(read_curve(std::vector<int64_t>{10, 20}, std::vector<Seconds>{1, 2}, 1).seconds, 0.5);
}

TEST(Curve, FewerRowsNeverCostMoreThanTheFirstPoint) {
  // A noisy second point below the first would make the line rise towards 0.
  EXPECT_EQ(read_curve(std::vector<int64_t>{10, 20}, std::vector<Seconds>{2, 1}, 1).seconds, 2);
}

TEST(Curve, OnePointIsScaledBySize) {
  const std::vector<int64_t> sizes = {100};
  const std::vector<Seconds> seconds = {8};
  EXPECT_EQ(read_curve(sizes, seconds, 200).seconds, 16);
  EXPECT_EQ(read_curve(sizes, seconds, 75).seconds, 6);
  EXPECT_EQ(read_curve(sizes, seconds, 1).seconds, 4);
  EXPECT_TRUE(read_curve(sizes, seconds, 100).inside);
}

TEST(Curve, IsMonotoneWhereItsPointsAre) {
  Seconds before = 0;
  for (int64_t size = 0; size <= 600; ++size) {
    const Seconds now = read_curve(kSizes, kSeconds, size).seconds;
    EXPECT_GE(now, before) << size;
    before = now;
  }
}

}  // namespace
}  // namespace moesaic
