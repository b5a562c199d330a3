#include "executor/cpu/rms_norm.h"

#include <cmath>

#include "executor/cpu/lanes.h"

namespace moesaic::executor::cpu {

MOESAIC_VECTORISED float sum_of_squares(const float* x, std::int64_t h) {
  return sum_in_lanes(h, [x](std::int64_t j) MOESAIC_INLINED { return x[j] * x[j]; });
}

MOESAIC_VECTORISED float sum_of_products(const float* dy, const float* gain, const float* x, std::int64_t h) {
  return sum_in_lanes(h, [dy, gain, x](std::int64_t j) MOESAIC_INLINED { return dy[j] * gain[j] * x[j]; });
}

float inverse_rms(float mean_square, float epsilon) { return 1.0f / std::sqrt(mean_square + epsilon); }

MOESAIC_VECTORISED void scale_row(const float* x, float r, const float* gain, float* y, std::int64_t h) {
  for (std::int64_t j = 0; j < h; ++j) y[j] = x[j] * r * gain[j];
}

MOESAIC_VECTORISED void scale_row_backward(const float* dy, const float* x, float r, float mean, const float* gain,
                                           float* dx, float* dgain, std::int64_t h) {
  for (std::int64_t j = 0; j < h; ++j) dgain[j] += dy[j] * (x[j] * r);
  for (std::int64_t j = 0; j < h; ++j) dx[j] = r * (dy[j] * gain[j] - x[j] * r * mean);
}

void rms_norm_forward(const float* x, const float* gain, float* y, float* stats, std::int64_t m, std::int64_t h,
                      float epsilon) {
  for (std::int64_t row = 0; row < m; ++row, x += h, y += h, stats += 2) {
    stats[0] = 0.0f;
    stats[1] = inverse_rms(sum_of_squares(x, h) / static_cast<float>(h), epsilon);
    scale_row(x, stats[1], gain, y, h);
  }
}

void rms_norm_backward(const float* dy, const float* x, const float* stats, const float* gain, float* dx, float* dgain,
                       std::int64_t m, std::int64_t h) {
  for (std::int64_t row = 0; row < m; ++row, x += h, dy += h, dx += h, stats += 2) {
    const float mean = sum_of_products(dy, gain, x, h) * stats[1] / static_cast<float>(h);
    scale_row_backward(dy, x, stats[1], mean, gain, dx, dgain, h);
  }
}

}  // namespace moesaic::executor::cpu
