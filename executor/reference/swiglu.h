#pragma once
// SwiGLU and its gradient in double.

#include <cstdint>

namespace moesaic::executor::reference {

void swiglu_forward(const double* gate_up, double* y, std::int64_t m, std::int64_t f);
void swiglu_backward(const double* dy, const double* gate_up, double* dgate_up, std::int64_t m, std::int64_t f);

}  // namespace moesaic::executor::reference
