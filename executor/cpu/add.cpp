#include "executor/cpu/add.h"

#include "executor/cpu/lanes.h"

namespace moesaic::executor::cpu {

MOESAIC_VECTORISED void add(const float* a, const float* b, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

MOESAIC_VECTORISED void accumulate(const float* a, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += a[i];
}

}  // namespace moesaic::executor::cpu
