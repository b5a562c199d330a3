#include "executor/cpu/gelu.h"

#include "executor/cpu/lanes.h"

namespace moesaic::executor::cpu {
namespace {

constexpr float kInverseSqrt2 = 0.70710678118654752f;
constexpr float kInverseSqrt2Pi = 0.39894228040143268f;

[[gnu::always_inline]] inline float normal_cdf(float x) { return 0.5f * (1.0f + fast_erf(x * kInverseSqrt2)); }

}  // namespace

MOESAIC_VECTORISED void gelu_forward(const float* x, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] * normal_cdf(x[i]);
}

MOESAIC_VECTORISED void gelu_backward(const float* dy, const float* x, float* dx, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    dx[i] = dy[i] * (normal_cdf(x[i]) + x[i] * kInverseSqrt2Pi * fast_exp(-0.5f * x[i] * x[i]));
  }
}

}  // namespace moesaic::executor::cpu
