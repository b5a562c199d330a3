#include "executor/reference/linear.h"

#include "executor/reference/matmul.h"

namespace moesaic::executor::reference {

void linear_forward(const double* x, const double* w, double* y, std::int64_t m, std::int64_t n, std::int64_t k) {
  matmul(x, w, y, m, n, k, Transpose::no, Transpose::yes, false);
}

void linear_dgrad(const double* dy, const double* w, double* dx, std::int64_t m, std::int64_t n, std::int64_t k,
                  bool accumulate) {
  matmul(dy, w, dx, m, k, n, Transpose::no, Transpose::no, accumulate);
}

void linear_wgrad(const double* dy, const double* x, double* dw, std::int64_t m, std::int64_t n, std::int64_t k) {
  matmul(dy, x, dw, n, k, m, Transpose::yes, Transpose::no, true);
}

}  // namespace moesaic::executor::reference
