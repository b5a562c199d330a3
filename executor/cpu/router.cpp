#include "executor/cpu/router.h"

#include <algorithm>
#include <vector>

#include "executor/cpu/lanes.h"
#include "executor/cpu/linear.h"

namespace moesaic::executor::cpu {
namespace {

MOESAIC_VECTORISED void softmax_rows(float* p, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t row = 0; row < rows; ++row, p += columns) {
    float* out = p;
    const float max = max_in_lanes(out, columns);
    const float sum =
        sum_in_lanes(columns, [out, max](std::int64_t j) MOESAIC_INLINED { return out[j] = fast_exp(out[j] - max); });
    for (std::int64_t j = 0; j < columns; ++j) out[j] /= sum;
  }
}

// The indices of the top_k largest p, in order, the lower one first among equals. Every comparison fails for NaN, so
// the indices stay valid.
void choose(const float* p, std::int32_t* chosen, const RouterShape& shape) {
  std::int64_t found = 0;
  for (std::int32_t e = 0; e < shape.num_experts; ++e) {
    if (found == shape.top_k && !(p[e] > p[chosen[found - 1]])) continue;
    std::int64_t at = found < shape.top_k ? found++ : found - 1;
    for (; at > 0 && p[e] > p[chosen[at - 1]]; --at) chosen[at] = chosen[at - 1];
    chosen[at] = e;
  }
}

float normaliser(const float* p, const std::int32_t* chosen, const RouterShape& shape) {
  if (!shape.normalised) return 1.0f;
  float sum = 0.0f;
  for (std::int64_t i = 0; i < shape.top_k; ++i) sum += p[chosen[i]];
  return sum;
}

void keep_within_capacity(std::int32_t* chosen, float* weights, std::int64_t* counts, const RouterShape& shape) {
  for (std::int64_t i = 0; i < shape.top_k; ++i) {
    std::int64_t& count = counts[chosen[i]];
    if (shape.capacity == kNoCapacity || count < shape.capacity) {
      ++count;
    } else {
      chosen[i] = -1;
      weights[i] = 0.0f;
    }
  }
}

// dp [num_experts] of one token. Dropped choices have no weight, but they stand in the normaliser of the others,
// so the choice before dropping is made again from p.
void probability_gradient(const float* dweights, const float* p, const std::int32_t* kept, const float* weights,
                          const float* auxiliary_gradient, std::int32_t* chosen, float* dp, const RouterShape& shape) {
  for (std::int64_t e = 0; e < shape.num_experts; ++e) dp[e] = auxiliary_gradient ? auxiliary_gradient[e] : 0.0f;
  choose(p, chosen, shape);
  const float sum = normaliser(p, chosen, shape);
  float shared = 0.0f;  // d loss / d log(sum), with the sign turned
  for (std::int64_t i = 0; shape.normalised && i < shape.top_k; ++i) {
    if (kept[i] >= 0) shared += dweights[i] * weights[i];
  }
  for (std::int64_t i = 0; i < shape.top_k; ++i) {
    dp[chosen[i]] += ((kept[i] >= 0 ? dweights[i] : 0.0f) - shared) / sum;
  }
}

}  // namespace

void router_forward(const float* z, const float* w, float* p, std::int32_t* chosen, float* weights,
                    std::int64_t* counts, const RouterShape& shape) {
  linear_forward(z, w, p, shape.m, shape.num_experts, shape.h, Precision::f32);
  softmax_rows(p, shape.m, shape.num_experts);
  std::fill_n(counts, shape.num_experts, 0);
  for (std::int64_t t = 0; t < shape.m; ++t, p += shape.num_experts, chosen += shape.top_k, weights += shape.top_k) {
    choose(p, chosen, shape);
    const float sum = normaliser(p, chosen, shape);
    for (std::int64_t i = 0; i < shape.top_k; ++i) weights[i] = p[chosen[i]] / sum;
    keep_within_capacity(chosen, weights, counts, shape);
  }
}

void router_backward(const float* dweights, const float* p, const std::int32_t* chosen, const float* weights,
                     const float* auxiliary_gradient, const float* z, const float* w, float* dz, float* dw,
                     const RouterShape& shape) {
  const std::int64_t experts = shape.num_experts;
  std::vector<float> dlogits(static_cast<std::size_t>(shape.m * experts));
  std::vector<std::int32_t> before_dropping(static_cast<std::size_t>(shape.top_k));
  for (std::int64_t t = 0; t < shape.m; ++t) {
    const float* p_t = p + t * experts;
    float* d = dlogits.data() + t * experts;
    const std::int64_t choice = t * shape.top_k;
    probability_gradient(dweights + choice, p_t, chosen + choice, weights + choice, auxiliary_gradient,
                         before_dropping.data(), d, shape);
    float dot = 0.0f;
    for (std::int64_t e = 0; e < experts; ++e) dot += p_t[e] * d[e];
    for (std::int64_t e = 0; e < experts; ++e) d[e] = p_t[e] * (d[e] - dot);
  }
  linear_dgrad(dlogits.data(), w, dz, shape.m, experts, shape.h, Precision::f32, true);
  linear_wgrad(dlogits.data(), z, dw, shape.m, experts, shape.h, Precision::f32);
}

}  // namespace moesaic::executor::cpu
