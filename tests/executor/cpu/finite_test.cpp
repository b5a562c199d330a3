#include "executor/cpu/finite.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace moesaic::executor::cpu {
namespace {

// 2^64 squared is 2^128, the first power of two beyond f32.
TEST(Finite, KnowsWhatHasAFiniteSquare) {
  const float two_to_64 = 18446744073709551616.0f, inf = std::numeric_limits<float>::infinity();
  const float below = std::nextafter(two_to_64, 0.0f), nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isfinite(below * below) && std::isinf(two_to_64 * two_to_64));
  for (float x : {0.0f, -0.0f, 1.0f, -1e-45f, 1e-38f, below, -below}) EXPECT_EQ(find_non_finite_square(&x, 1), -1) << x;
  for (float x : {nan, -nan, inf, -inf, two_to_64, -two_to_64, std::numeric_limits<float>::max(),
                  std::numeric_limits<float>::signaling_NaN()})
    EXPECT_EQ(find_non_finite_square(&x, 1), 0) << x;
}

// Every place of every length around the widths of vector registers; a second one behind it is not the first.
TEST(Finite, FindsTheFirstAnywhere) {
  for (size_t count = 0; count <= 70; ++count) {
    std::vector<float> x(count + 1, -3.5f);
    EXPECT_EQ(find_non_finite_square(x.data(), static_cast<int64_t>(count)), -1);
    for (size_t at = count; at-- > 0;) {
      x[at] = at % 2 == 0 ? std::numeric_limits<float>::quiet_NaN() : -std::numeric_limits<float>::infinity();
      EXPECT_EQ(find_non_finite_square(x.data(), static_cast<int64_t>(count)), static_cast<int64_t>(at));
    }
  }
}

// Sums of integers below 2^24: a double has them exactly. 40,001 elements are more than the stretch that is read twice.
TEST(Finite, SumsSquares) {
  std::vector<float> x;
  double expected = 0;
  for (int i = 0; i < 40'001; ++i) {
    x.push_back(static_cast<float>(i % 1001 - 500) * 0.25f);
    expected += static_cast<double>(x.back()) * x.back();
  }
  ExactSquares squares;
  EXPECT_EQ(find_non_finite_square(x.data(), 40'001, &squares), -1);
  EXPECT_EQ(squares.value(), expected);
  EXPECT_EQ(find_non_finite_square(x.data(), 40'001, &squares), -1);
  EXPECT_EQ(squares.value(), 2 * expected);
  x[40'000] = x[30'000] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(find_non_finite_square(x.data(), 40'001, &squares), 30'000);
}

}  // namespace
}  // namespace moesaic::executor::cpu
