#pragma once
// y = x w^T in double, and its gradients; shapes as in executor/cpu/linear.h.
// It is not fast and not for use outside tests.

#include <cstdint>

namespace moesaic::executor::reference {

void linear_forward(const double* x, const double* w, double* y, std::int64_t m, std::int64_t n, std::int64_t k);
void linear_dgrad(const double* dy, const double* w, double* dx, std::int64_t m, std::int64_t n, std::int64_t k,
                  bool accumulate = false);
void linear_wgrad(const double* dy, const double* x, double* dw, std::int64_t m, std::int64_t n, std::int64_t k);

}  // namespace moesaic::executor::reference
