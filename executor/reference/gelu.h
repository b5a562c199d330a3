#pragma once
// GELU with the exact erf in double, and its gradient; shapes as in executor/cpu/gelu.h.
// It is not fast and not for use outside tests.

#include <cstdint>

namespace moesaic::executor::reference {

void gelu_forward(const double* x, double* y, std::int64_t n);
void gelu_backward(const double* dy, const double* x, double* dx, std::int64_t n);

}  // namespace moesaic::executor::reference
