#include "executor/reference/layer_norm.h"

#include <cmath>

namespace moesaic::executor::reference {

void layer_norm_forward(const double* x, const double* gain_bias, double* y, double* stats, std::int64_t m,
                        std::int64_t h, double epsilon) {
  const auto width = static_cast<double>(h);
  for (std::int64_t i = 0; i < m; ++i) {
    double mean = 0.0, variance = 0.0;
    for (std::int64_t j = 0; j < h; ++j) mean += x[i * h + j] / width;
    for (std::int64_t j = 0; j < h; ++j) variance += (x[i * h + j] - mean) * (x[i * h + j] - mean) / width;
    stats[2 * i] = mean;
    stats[2 * i + 1] = 1.0 / std::sqrt(variance + epsilon);
    for (std::int64_t j = 0; j < h; ++j) {
      y[i * h + j] = (x[i * h + j] - mean) * stats[2 * i + 1] * gain_bias[j] + gain_bias[h + j];
    }
  }
}

void layer_norm_backward(const double* dy, const double* x, const double* stats, const double* gain_bias, double* dx,
                         double* dgain_bias, std::int64_t m, std::int64_t h) {
  const auto width = static_cast<double>(h);
  for (std::int64_t i = 0; i < m; ++i) {
    const double mean = stats[2 * i], inverse_std = stats[2 * i + 1];
    const auto normal = [&](std::int64_t j) { return (x[i * h + j] - mean) * inverse_std; };
    double g_mean = 0.0, gn_mean = 0.0;
    for (std::int64_t j = 0; j < h; ++j) {
      g_mean += dy[i * h + j] * gain_bias[j] / width;
      gn_mean += dy[i * h + j] * gain_bias[j] * normal(j) / width;
      dgain_bias[j] += dy[i * h + j] * normal(j);
      dgain_bias[h + j] += dy[i * h + j];
    }
    for (std::int64_t j = 0; j < h; ++j) {
      dx[i * h + j] = inverse_std * (dy[i * h + j] * gain_bias[j] - g_mean - normal(j) * gn_mean);
    }
  }
}

}  // namespace moesaic::executor::reference
