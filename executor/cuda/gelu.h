#pragma once
// GELU in its erf form, gelu(x) = x/2 (1 + erf(x / sqrt 2)), and its gradient, element by element, on a stream.
// It is not the tanh approximation. Element: float, BFloat16.

#include <cstdint>

#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

// y [n] = gelu(x); y may be x
template <typename Element>
void gelu_forward(const Element* x, Element* y, int64_t n, Stream stream);

// dx [n] = dy gelu'(x) with gelu'(x) = (1 + erf(x / sqrt 2)) / 2 + x e^(-x^2 / 2) / sqrt(2 pi); dx may be dy
template <typename Element>
void gelu_backward(const Element* dy, const Element* x, Element* dx, int64_t n, Stream stream);

}  // namespace moesaic::executor::cuda
