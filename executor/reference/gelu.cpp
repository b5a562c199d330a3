#include "executor/reference/gelu.h"

#include <cmath>
#include <numbers>

namespace moesaic::executor::reference {
namespace {

double normal_cdf(double x) { return 0.5 * (1.0 + std::erf(x / std::numbers::sqrt2)); }
double normal_density(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi); }

}  // namespace

void gelu_forward(const double* x, double* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] * normal_cdf(x[i]);
}

void gelu_backward(const double* dy, const double* x, double* dx, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) dx[i] = dy[i] * (normal_cdf(x[i]) + x[i] * normal_density(x[i]));
}

}  // namespace moesaic::executor::reference
