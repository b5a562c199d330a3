#pragma once
// Rounds f32 arrays to bfloat16, the operand format of Precision::bf16.
// It is not a number type: a BFloat16 is only stored and handed to a matrix product.

#include <bit>
#include <cstdint>

namespace moesaic::executor::cpu {

using BFloat16 = std::uint16_t;  // the upper half of an f32

// Nearest, ties to even; NaN stays NaN.
[[gnu::always_inline]] inline BFloat16 to_bf16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t nearest_even = bits + 0x7FFFu + ((bits >> 16) & 1u);
  const bool nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  return static_cast<BFloat16>((nan ? (bits | 0x400000u) : nearest_even) >> 16);
}

void round_to_bf16(const float* x, BFloat16* y, std::int64_t n);

// What the rounding leaves of x, as f32: the value that a bf16 matrix product sees.
float through_bf16(float x);

}  // namespace moesaic::executor::cpu
