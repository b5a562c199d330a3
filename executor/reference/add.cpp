#include "executor/reference/add.h"

namespace moesaic::executor::reference {

void add(const double* a, const double* b, double* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

void accumulate(const double* a, double* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += a[i];
}

}  // namespace moesaic::executor::reference
