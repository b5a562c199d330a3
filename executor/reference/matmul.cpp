#include "executor/reference/matmul.h"

namespace moesaic::executor::reference {

void matmul(const double* a, const double* b, double* c, std::int64_t m, std::int64_t n, std::int64_t k,
            Transpose transpose_a, Transpose transpose_b, bool accumulate) {
  const bool ta = transpose_a == Transpose::yes, tb = transpose_b == Transpose::yes;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = accumulate ? c[i * n + j] : 0.0;
      for (std::int64_t l = 0; l < k; ++l) sum += a[ta ? l * m + i : i * k + l] * b[tb ? j * k + l : l * n + j];
      c[i * n + j] = sum;
    }
  }
}

}  // namespace moesaic::executor::reference
