#pragma once
// bfloat16: the upper half of an f32. It is stored, sent and handed to matrix products; sums are taken in f32.

#include <bit>
#include <cstdint>

namespace moesaic {

struct BFloat16 {
  std::uint16_t bits;
  bool operator==(const BFloat16&) const = default;
};

/// Nearest, ties to even; NaN stays NaN.
[[gnu::always_inline]] inline BFloat16 to_bf16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t nearest_even = bits + 0x7FFFu + ((bits >> 16) & 1u);
  const bool nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  return {static_cast<std::uint16_t>((nan ? (bits | 0x400000u) : nearest_even) >> 16)};
}

[[gnu::always_inline]] inline float to_float(BFloat16 x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16);
}
inline float to_float(float x) { return x; }

}  // namespace moesaic
