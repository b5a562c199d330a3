#pragma once
// Rounds f32 arrays to bfloat16, the operand format of Precision::bf16.
// It is not a number type: a BFloat16 is only stored and handed to a matrix product.

#include <cstdint>

namespace moesaic::executor::cpu {

using BFloat16 = std::uint16_t;  // the upper half of an f32

// Nearest, ties to even; NaN stays NaN.
void round_to_bf16(const float* x, BFloat16* y, std::int64_t n);

// What the rounding leaves of x, as f32: the value that a bf16 matrix product sees.
float through_bf16(float x);

}  // namespace moesaic::executor::cpu
