#include "executor/cpu/flatten.h"

#include <algorithm>
#include <cmath>

#include "executor/cpu/lanes.h"

namespace moesaic::executor::cpu {
namespace {

MOESAIC_VECTORISED float gradient_magnitudes(const float* x, std::int64_t n) {
  return sum_in_lanes(n, [x](std::int64_t i) MOESAIC_INLINED { return std::abs(x[i]); });
}

MOESAIC_VECTORISED float gradient_squares(const float* x, std::int64_t n) {
  return sum_in_lanes(n, [x](std::int64_t i) MOESAIC_INLINED { return x[i] * x[i]; });
}

MOESAIC_VECTORISED void scale_gradient(float* x, float factor, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) x[i] *= factor;
}

}  // namespace

void flatten_gradient(const float* g, float* widened, float* copy, float* statistics, std::int64_t count,
                      float loss_scale) {
  std::copy_n(g, count, widened);
  statistics[0] += gradient_magnitudes(widened, count);
  std::copy_n(g, count, widened);
  std::copy_n(widened, count, copy);
  statistics[1] += gradient_squares(copy, count);
  scale_gradient(copy, 1 / loss_scale, count);
}

}  // namespace moesaic::executor::cpu
