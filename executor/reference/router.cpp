#include "executor/reference/router.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "executor/reference/linear.h"

namespace moesaic::executor::reference {
namespace {

// All experts, largest p first, the lower index first among equals.
std::vector<std::int32_t> ranking(const double* p, std::int64_t num_experts) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(num_experts));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [p](std::int32_t a, std::int32_t b) { return p[a] > p[b]; });
  return order;
}

double chosen_sum(const double* p, const std::vector<std::int32_t>& order, std::int64_t top_k) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < top_k; ++i) sum += p[order[static_cast<std::size_t>(i)]];
  return sum;
}

void softmax(double* p, std::int64_t n) {
  const double max = *std::max_element(p, p + n);
  double sum = 0.0;
  for (std::int64_t j = 0; j < n; ++j) sum += p[j] = std::exp(p[j] - max);
  for (std::int64_t j = 0; j < n; ++j) p[j] /= sum;
}

}  // namespace

void router_forward(const double* z, const double* w, double* p, std::int32_t* chosen, double* weights,
                    std::int64_t* counts, const RouterShape& shape) {
  const auto [m, h, experts, top_k, capacity, normalised] = shape;
  linear_forward(z, w, p, m, experts, h);
  std::fill_n(counts, experts, 0);
  for (std::int64_t t = 0; t < m; ++t) {
    softmax(p + t * experts, experts);
    const auto order = ranking(p + t * experts, experts);
    const double sum = !normalised ? 1.0 : chosen_sum(p + t * experts, order, top_k);
    for (std::int64_t i = 0; i < top_k; ++i) {
      const std::int32_t e = order[static_cast<std::size_t>(i)];
      const bool kept = capacity == kNoCapacity || counts[e] < capacity;
      if (kept) ++counts[e];
      chosen[t * top_k + i] = kept ? e : -1;
      weights[t * top_k + i] = kept ? p[t * experts + e] / sum : 0.0;
    }
  }
}

void router_backward(const double* dweights, const double* p, const std::int32_t* chosen,
                     const double* auxiliary_gradient, const double* z, const double* w, double* dz, double* dw,
                     const RouterShape& shape) {
  const auto [m, h, experts, top_k, capacity, normalised] = shape;
  std::vector<double> dlogits(static_cast<std::size_t>(m * experts));
  for (std::int64_t t = 0; t < m; ++t) {
    const double* p_t = p + t * experts;
    std::vector<double> dp(static_cast<std::size_t>(experts), 0.0);
    if (auxiliary_gradient != nullptr) std::copy_n(auxiliary_gradient, experts, dp.begin());
    const auto order = ranking(p_t, experts);
    const double sum = !normalised ? 1.0 : chosen_sum(p_t, order, top_k);
    for (std::int64_t i = 0; i < top_k; ++i) {
      if (chosen[t * top_k + i] < 0) continue;
      const auto e = static_cast<std::size_t>(chosen[t * top_k + i]);
      const double d = dweights[t * top_k + i];
      dp[e] += d / sum;  // weight = p_e / sum; the sum depends on every chosen p, dropped or not
      for (std::int64_t j = 0; normalised && j < top_k; ++j) {
        dp[static_cast<std::size_t>(order[static_cast<std::size_t>(j)])] -= d * p_t[e] / (sum * sum);
      }
    }
    double dot = 0.0;
    for (std::int64_t e = 0; e < experts; ++e) dot += p_t[e] * dp[static_cast<std::size_t>(e)];
    for (std::int64_t e = 0; e < experts; ++e) {
      dlogits[static_cast<std::size_t>(t * experts + e)] = p_t[e] * (dp[static_cast<std::size_t>(e)] - dot);
    }
  }
  linear_dgrad(dlogits.data(), w, dz, m, experts, h, true);
  linear_wgrad(dlogits.data(), z, dw, m, experts, h);
}

}  // namespace moesaic::executor::reference
