#include "executor/reference/cross_entropy.h"

#include <algorithm>
#include <cmath>

namespace moesaic::executor::reference {

double cross_entropy(const double* logits, const std::int32_t* targets, double* dlogits, std::int64_t m, std::int64_t v,
                     double scale) {
  double loss = 0.0;
  for (std::int64_t i = 0; i < m; ++i) {
    const double* row = logits + i * v;
    const double max = *std::max_element(row, row + v);
    double sum = 0.0;
    for (std::int64_t j = 0; j < v; ++j) sum += std::exp(row[j] - max);
    const double log_sum = max + std::log(sum);
    loss += log_sum - row[targets[i]];
    for (std::int64_t j = 0; j < v; ++j) {
      dlogits[i * v + j] = scale * (std::exp(row[j] - log_sum) - (j == targets[i] ? 1.0 : 0.0));
    }
  }
  return loss;
}

}  // namespace moesaic::executor::reference
