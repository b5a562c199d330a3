#include "executor/cpu/gelu.h"

#include "executor/cpu/lanes.h"

namespace moesaic::executor::cpu {
namespace {

constexpr float kInverseSqrt2 = 0.70710678118654752f;
constexpr float kInverseSqrt2Pi = 0.39894228040143268f;

[[gnu::always_inline]] inline float normal_cdf(float x) { return 0.5f * (1.0f + fast_erf(x * kInverseSqrt2)); }

[[gnu::always_inline]] inline float gelu(float x) { return x * normal_cdf(x); }

[[gnu::always_inline]] inline float gelu_slope(float x) {
  return normal_cdf(x) + x * kInverseSqrt2Pi * fast_exp(-0.5f * x * x);
}

}  // namespace

MOESAIC_VECTORISED void gelu_forward(const float* x, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = gelu(x[i]);
}

MOESAIC_VECTORISED void gelu_forward(const float* x, float* y, BFloat16* y16, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float value = gelu(x[i]);
    y[i] = value;
    y16[i] = to_bf16(value);
  }
}

MOESAIC_VECTORISED void gelu_forward(const float* x, BFloat16* y16, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y16[i] = to_bf16(gelu(x[i]));
}

MOESAIC_VECTORISED void gelu_backward(const float* dy, const float* x, float* dx, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) dx[i] = dy[i] * gelu_slope(x[i]);
}

MOESAIC_VECTORISED void gelu_backward(const float* dy, const float* x, float* dx, BFloat16* dx16, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float value = dy[i] * gelu_slope(x[i]);
    dx[i] = value;
    dx16[i] = to_bf16(value);
  }
}

MOESAIC_VECTORISED void gelu_backward(const float* dy, const float* x, BFloat16* dx16, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) dx16[i] = to_bf16(dy[i] * gelu_slope(x[i]));
}

}  // namespace moesaic::executor::cpu
