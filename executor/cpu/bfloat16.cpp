#include "executor/cpu/bfloat16.h"

#include <bit>

#include "executor/cpu/lanes.h"

namespace moesaic::executor::cpu {
namespace {

[[gnu::always_inline]] inline BFloat16 rounded(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t nearest_even = bits + 0x7FFFu + ((bits >> 16) & 1u);
  const bool nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  return static_cast<BFloat16>((nan ? (bits | 0x400000u) : nearest_even) >> 16);
}

}  // namespace

MOESAIC_VECTORISED void round_to_bf16(const float* x, BFloat16* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = rounded(x[i]);
}

float through_bf16(float x) { return std::bit_cast<float>(static_cast<std::uint32_t>(rounded(x)) << 16); }

}  // namespace moesaic::executor::cpu
