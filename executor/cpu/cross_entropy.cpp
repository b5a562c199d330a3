#include "executor/cpu/cross_entropy.h"

#include <cmath>

#include "executor/cpu/lanes.h"

namespace moesaic::executor::cpu {

MOESAIC_VECTORISED double cross_entropy(const float* logits, const std::int32_t* targets, float* dlogits,
                                        std::int64_t m, std::int64_t v, float scale) {
  double loss = 0.0;
  for (std::int64_t row = 0; row < m; ++row, logits += v, dlogits += v) {
    const float* in = logits;
    float* out = dlogits;
    const float max = max_in_lanes(in, v);
    const float target_logit = in[targets[row]];  // read before dlogits, which may be logits, is written
    const float sum =
        sum_in_lanes(v, [in, out, max](std::int64_t j) MOESAIC_INLINED { return out[j] = fast_exp(in[j] - max); });
    loss += std::log(static_cast<double>(sum)) - (static_cast<double>(target_logit) - static_cast<double>(max));
    const float factor = scale / sum;
    for (std::int64_t j = 0; j < v; ++j) out[j] *= factor;
    out[targets[row]] -= scale;
  }
  return loss;
}

}  // namespace moesaic::executor::cpu
