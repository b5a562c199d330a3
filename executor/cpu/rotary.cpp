#include "executor/cpu/rotary.h"

#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "executor/cpu/lanes.h"

namespace moesaic::executor::cpu {
namespace {

// cos then sin of each pair's angle, [positions, 2, head_dim / 2], grown on demand and kept per thread.
const float* angles(std::int64_t positions, std::int64_t head_dim, double theta) {
  thread_local std::map<std::pair<std::int64_t, double>, std::vector<float>> tables;
  std::vector<float>& table = tables[{head_dim, theta}];
  const std::int64_t half = head_dim / 2;
  for (auto p = static_cast<std::int64_t>(table.size()) / head_dim; p < positions; ++p) {
    table.resize(static_cast<std::size_t>((p + 1) * head_dim));
    for (std::int64_t i = 0; i < half; ++i) {
      const double frequency = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
      const double angle = static_cast<double>(p) * frequency;
      table[static_cast<std::size_t>(p * head_dim + i)] = static_cast<float>(std::cos(angle));
      table[static_cast<std::size_t>(p * head_dim + half + i)] = static_cast<float>(std::sin(angle));
    }
  }
  return table.data();
}

MOESAIC_VECTORISED void turn_row(const float* __restrict x, float* __restrict y, const float* __restrict angle,
                                 std::int64_t half, float sign) {
  for (std::int64_t i = 0; i < half; ++i) {
    const float cos = angle[i], sin = sign * angle[half + i];
    y[i] = x[i] * cos - x[half + i] * sin;
    y[half + i] = x[half + i] * cos + x[i] * sin;
  }
}

}  // namespace

void rotary(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride, std::int64_t seq,
            std::int64_t head_dim, double theta, Turn turn) {
  const float* table = angles(seq, head_dim, theta);
  const float sign = turn == Turn::forward ? 1.0f : -1.0f;
  for (std::int64_t p = 0; p < seq; ++p) {
    turn_row(x + p * x_stride, y + p * y_stride, table + p * head_dim, head_dim / 2, sign);
  }
}

}  // namespace moesaic::executor::cpu
