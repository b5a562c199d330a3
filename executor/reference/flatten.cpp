#include "executor/reference/flatten.h"

#include <cmath>

namespace moesaic::executor::reference {

void flatten_gradient(const double* g, double* copy, double* statistics, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    statistics[0] += std::abs(g[i]);
    statistics[1] += g[i] * g[i];
    copy[i] = g[i];
  }
}

}  // namespace moesaic::executor::reference
