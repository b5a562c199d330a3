#pragma once
// Arrays for operator tests: random inputs in f32 and double, outputs poisoned with NaN, and comparisons with the
// reference. It holds no operator and no expectation of one.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace moesaic::executor::cpu {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

inline Floats random_floats(std::int64_t n, std::uint64_t seed, double size = 1.0) {
  std::mt19937_64 engine(seed);
  std::uniform_real_distribution<double> draw(-size, size);
  Floats values(static_cast<std::size_t>(n));
  for (float& value : values) value = static_cast<float>(draw(engine));
  return values;
}

inline Doubles to_double(const Floats& x) { return {x.begin(), x.end()}; }

// An output that the operator must overwrite entirely.
inline Floats poisoned(std::int64_t n) {
  return Floats(static_cast<std::size_t>(n), std::numeric_limits<float>::quiet_NaN());
}

// Every element within `tolerance` of the largest expected value; NaN anywhere fails.
inline void expect_close(const Floats& actual, const Doubles& expected, double tolerance, const char* what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  double largest = 0.0;
  for (double value : expected) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(actual[i]), expected[i], tolerance * std::max(largest, 1e-30))
        << what << " [" << i << "]";
  }
}

inline bool same_bits(const float* a, const float* b, std::int64_t n) {
  return std::memcmp(a, b, static_cast<std::size_t>(n) * sizeof(float)) == 0;
}

}  // namespace moesaic::executor::cpu
