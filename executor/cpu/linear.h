#pragma once
// A linear layer without bias, y = x w^T with w [n, k], and its two gradients.
// It is not a matrix product of its own: it names the three transposes, and takes a weight that is already rounded.

#include <cstdint>

#include "executor/cpu/matmul.h"

namespace moesaic::executor::cpu {

// A weight matrix. bf16 may hold its rounded copy (round_to_bf16), which then saves the rounding in every call.
struct Weight {
  Weight(const float* values = nullptr, const BFloat16* rounded = nullptr) : f32(values), bf16(rounded) {}
  const float* f32;
  const BFloat16* bf16;
};

// y [m, n] = x [m, k] w^T. Row i of y depends on row i of x alone, bit for bit.
void linear_forward(const float* x, Weight w, float* y, std::int64_t m, std::int64_t n, std::int64_t k,
                    Precision precision);

// dx [m, k] (+)= dy [m, n] w
void linear_dgrad(const float* dy, Weight w, float* dx, std::int64_t m, std::int64_t n, std::int64_t k,
                  Precision precision, bool accumulate = false);

// dw [n, k] += dy^T x, the m rows in order
void linear_wgrad(const float* dy, const float* x, float* dw, std::int64_t m, std::int64_t n, std::int64_t k,
                  Precision precision);

}  // namespace moesaic::executor::cpu
