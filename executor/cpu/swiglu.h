#pragma once
// SwiGLU (arXiv 2002.05202), y = silu(gate) * up with silu(x) = x / (1 + e^-x), and its gradient. gate and up are the
// halves of one row, as one product writes them.

#include <cstdint>

#include "executor/cpu/bfloat16.h"

namespace moesaic::executor::cpu {

// y [m, f] = silu(gate) * up; gate_up [m, 2 f]: the gate's f columns, then those of up
void swiglu_forward(const float* gate_up, float* y, std::int64_t m, std::int64_t f);
// y16 [m, f] = y rounded as well, for the matrix product that reads it next; or y16 alone
void swiglu_forward(const float* gate_up, float* y, BFloat16* y16, std::int64_t m, std::int64_t f);
void swiglu_forward(const float* gate_up, BFloat16* y16, std::int64_t m, std::int64_t f);

// dgate_up [m, 2 f] with s = 1 / (1 + e^-gate): dgate = dy up s (1 + gate (1 - s)), dup = dy gate s
void swiglu_backward(const float* dy, const float* gate_up, float* dgate_up, std::int64_t m, std::int64_t f);
void swiglu_backward(const float* dy, const float* gate_up, float* dgate_up, BFloat16* dgate_up16, std::int64_t m,
                     std::int64_t f);
void swiglu_backward(const float* dy, const float* gate_up, BFloat16* dgate_up16, std::int64_t m, std::int64_t f);

}  // namespace moesaic::executor::cpu
