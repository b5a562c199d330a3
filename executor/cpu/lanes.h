#pragma once
// The vector building blocks of the element-wise operators: fixed-lane sums, a vectorisable exp and erf, and the
// attribute that compiles a function once per instruction set. They are not intrinsics: sixteen lanes everywhere, so
// every machine sums in one order.

#include <bit>
#include <cstdint>
#include <limits>

// The sanitizers cannot run the resolvers that pick a clone, so their builds keep one plain version. The bits are the
// same.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define MOESAIC_VECTORISED [[gnu::target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")]]
#else
#define MOESAIC_VECTORISED
#endif

// For lambdas that are called per element: without it the clones would call the plain version.
#define MOESAIC_INLINED __attribute__((always_inline))

namespace moesaic::executor::cpu {

constexpr int kLanes = 16;

// Sum of term(i), i < n: lane l adds the terms i = l mod 16 in order, then the lanes are folded in halves.
template <typename Term>
[[gnu::always_inline]] inline float sum_in_lanes(std::int64_t n, const Term& term) {
  float lane[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) lane[l] += term(i + l);
  }
  for (int l = 0; i < n; ++i, ++l) lane[l] += term(i);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) lane[l] += lane[l + width];
  }
  return lane[0];
}

// Largest x[i], i < n; NaN is passed over, it shows in the sum of exponentials.
[[gnu::always_inline]] inline float max_in_lanes(const float* x, std::int64_t n) {
  float lane[kLanes];
  for (float& v : lane) v = -std::numeric_limits<float>::infinity();
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l];
  }
  for (; i < n; ++i) lane[0] = x[i] > lane[0] ? x[i] : lane[0];
  for (int l = 1; l < kLanes; ++l) lane[0] = lane[l] > lane[0] ? lane[l] : lane[0];
  return lane[0];
}

// a b + c, rounded once: an instruction where there is one (x86-64-v3, arm64), else a call; the same bits everywhere,
// which the compiler's own contraction would not give.
[[gnu::always_inline]] inline float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

// e^x to 1e-7 relative (Cephes expf: split by ln 2, degree-7 polynomial), clamped to the normal range; NaN stays NaN.
[[gnu::always_inline]] inline float fast_exp(float x) {
  x = x > 88.3762626f ? 88.3762626f : x;
  x = x < -87.3365448f ? -87.3365448f : x;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const float shifted = x * 1.44269504088896341f + kRound;
  const float power = shifted - kRound;
  const float r = (x - power * 0.693359375f) - power * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = fused(p, r, 1.3981999507e-3f);
  p = fused(p, r, 8.3334519073e-3f);
  p = fused(p, r, 4.1665795894e-2f);
  p = fused(p, r, 1.6666665459e-1f);
  p = fused(p, r, 5.0000001201e-1f);
  p = p * r * r + r + 1.0f;
  const std::uint32_t exponent = std::bit_cast<std::uint32_t>(shifted) << 23;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) + exponent);
}

// sqrt(x) for x >= 0 to 2e-7 relative (first guess of 1 / sqrt x from the exponent, three Newton steps); NaN stays NaN.
// std::sqrt would set errno, which keeps a loop from becoming vector instructions.
[[gnu::always_inline]] inline float fast_sqrt(float x) {
  float inverse = std::bit_cast<float>(0x5F3759DFu - (std::bit_cast<std::uint32_t>(x) >> 1));
  for (int step = 0; step < 3; ++step) inverse *= 1.5f - 0.5f * x * inverse * inverse;
  return x * inverse;
}

// erf(x) to 5e-7 absolute: the rational approximation that Eigen uses on [-4, 4]; NaN stays NaN.
[[gnu::always_inline]] inline float fast_erf(float x) {
  x = x > 4.0f ? 4.0f : x;
  x = x < -4.0f ? -4.0f : x;
  const float y = x * x;
  float p = -2.72614225801306e-10f;
  p = fused(p, y, 2.77068142495902e-08f);
  p = fused(p, y, -2.10102402082508e-06f);
  p = fused(p, y, -5.69250639462346e-05f);
  p = fused(p, y, -7.34990630326855e-04f);
  p = fused(p, y, -2.95459980854025e-03f);
  p = fused(p, y, -1.60960333262415e-02f);
  float q = -1.45660718464996e-05f;
  q = fused(q, y, -2.13374055278905e-04f);
  q = fused(q, y, -1.68282697438203e-03f);
  q = fused(q, y, -7.37332916720468e-03f);
  q = fused(q, y, -1.42647390514189e-02f);
  return x * p / q;
}

}  // namespace moesaic::executor::cpu
