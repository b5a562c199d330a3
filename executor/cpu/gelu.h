#pragma once
// GELU in its erf form, gelu(x) = x/2 (1 + erf(x / sqrt 2)), and its gradient, element by element.
// It is not the tanh approximation.

#include <cstdint>

#include "executor/cpu/bfloat16.h"

namespace moesaic::executor::cpu {

// y [n] = gelu(x); y may be x
void gelu_forward(const float* x, float* y, std::int64_t n);
// y16 [n] = y rounded as well, for the matrix product that reads it next; or y16 alone
void gelu_forward(const float* x, float* y, BFloat16* y16, std::int64_t n);
void gelu_forward(const float* x, BFloat16* y16, std::int64_t n);

// dx [n] = dy gelu'(x) with gelu'(x) = (1 + erf(x / sqrt 2)) / 2 + x e^(-x^2 / 2) / sqrt(2 pi); dx may be dy
void gelu_backward(const float* dy, const float* x, float* dx, std::int64_t n);
void gelu_backward(const float* dy, const float* x, float* dx, BFloat16* dx16, std::int64_t n);
void gelu_backward(const float* dy, const float* x, BFloat16* dx16, std::int64_t n);

}  // namespace moesaic::executor::cpu
