#include "executor/cpu/bfloat16.h"

#include "executor/cpu/lanes.h"

namespace moesaic::executor::cpu {

MOESAIC_VECTORISED void round_to_bf16(const float* x, BFloat16* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = to_bf16(x[i]);
}

MOESAIC_VECTORISED void widen_bf16(const BFloat16* x, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = to_float(x[i]);
}

}  // namespace moesaic::executor::cpu
