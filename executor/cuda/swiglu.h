#pragma once
// SwiGLU, y = silu(gate) * up with silu(x) = x / (1 + e^-x), and its gradient, on a stream. gate and up are the halves
// of one row, as one product writes them. Element: float, BFloat16.

#include <cstdint>

#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

// y [m, f] = silu(gate) * up; gate_up [m, 2 f]: the gate's f columns, then those of up
template <typename Element>
void swiglu_forward(const Element* gate_up, Element* y, int64_t m, int64_t f, Stream stream);

// dgate_up [m, 2 f] with s = 1 / (1 + e^-gate): dgate = dy up s (1 + gate (1 - s)), dup = dy gate s; may be gate_up.
template <typename Element>
void swiglu_backward(const Element* dy, const Element* gate_up, Element* dgate_up, int64_t m, int64_t f, Stream stream);

}  // namespace moesaic::executor::cuda
