#include "executor/cpu/layer_norm.h"

#include <cmath>

#include "executor/cpu/lanes.h"

namespace moesaic::executor::cpu {

MOESAIC_VECTORISED void layer_norm_forward(const float* x, const float* gain_bias, float* y, float* stats,
                                           std::int64_t m, std::int64_t h, float epsilon) {
  const float* gain = gain_bias;
  const float* bias = gain_bias + h;
  for (std::int64_t row = 0; row < m; ++row, x += h, y += h, stats += 2) {
    const float* in = x;
    const float mean = sum_in_lanes(h, [in](std::int64_t j) MOESAIC_INLINED { return in[j]; }) / static_cast<float>(h);
    const float squares = sum_in_lanes(h, [in, mean](std::int64_t j) MOESAIC_INLINED {
      const float centred = in[j] - mean;
      return centred * centred;
    });
    const float inverse_std = 1.0f / std::sqrt(squares / static_cast<float>(h) + epsilon);
    for (std::int64_t j = 0; j < h; ++j) y[j] = (x[j] - mean) * inverse_std * gain[j] + bias[j];
    stats[0] = mean;
    stats[1] = inverse_std;
  }
}

// With n = (x - mean) * inverse_std and g = dy * gain: dx = inverse_std * (g - mean(g) - n * mean(g n)).
MOESAIC_VECTORISED void layer_norm_backward(const float* dy, const float* x, const float* stats, const float* gain_bias,
                                            float* dx, float* dgain_bias, std::int64_t m, std::int64_t h) {
  const float* gain = gain_bias;
  float* dgain = dgain_bias;
  float* dbias = dgain_bias + h;
  for (std::int64_t row = 0; row < m; ++row, x += h, dy += h, dx += h, stats += 2) {
    const float *in = x, *d = dy;
    const float mean = stats[0], inverse_std = stats[1];
    const float g_mean =
        sum_in_lanes(h, [d, gain](std::int64_t j) MOESAIC_INLINED { return d[j] * gain[j]; }) / static_cast<float>(h);
    const float gn_mean =
        sum_in_lanes(h, [in, d, gain, mean, inverse_std](std::int64_t j)
                            MOESAIC_INLINED { return d[j] * gain[j] * ((in[j] - mean) * inverse_std); }) /
        static_cast<float>(h);
    for (std::int64_t j = 0; j < h; ++j) dgain[j] += dy[j] * ((x[j] - mean) * inverse_std);
    for (std::int64_t j = 0; j < h; ++j) dbias[j] += dy[j];
    for (std::int64_t j = 0; j < h; ++j) {
      dx[j] = inverse_std * (dy[j] * gain[j] - g_mean - (x[j] - mean) * inverse_std * gn_mean);
    }
  }
}

}  // namespace moesaic::executor::cpu
