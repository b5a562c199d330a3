#pragma once
// Compares a hand-written gradient with central finite differences, in double.
// It is not a test: the tests hand it a scalar function and the gradient that they claim for it.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <vector>

namespace moesaic::executor::reference {

inline std::vector<double> random_values(std::int64_t n, std::uint64_t seed, double size = 1.0) {
  std::mt19937_64 engine(seed);
  std::uniform_real_distribution<double> draw(-size, size);
  std::vector<double> values(static_cast<std::size_t>(n));
  for (double& value : values) value = draw(engine);
  return values;
}

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Every partial derivative of loss() with respect to x. The step 1e-5 leaves an error near 1e-10 for values of order 1.
inline void expect_gradient(std::vector<double>& x, const std::vector<double>& gradient,
                            const std::function<double()>& loss, const char* what) {
  ASSERT_EQ(x.size(), gradient.size()) << what;
  constexpr double kStep = 1e-5;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double kept = x[i];
    x[i] = kept + kStep;
    const double above = loss();
    x[i] = kept - kStep;
    const double below = loss();
    x[i] = kept;
    ASSERT_NEAR((above - below) / (2.0 * kStep), gradient[i], 2e-8) << what << " [" << i << "]";
  }
}

}  // namespace moesaic::executor::reference
