#include "executor/cpu/finite.h"

#include <algorithm>
#include <bit>

#include "executor/cpu/lanes.h"

namespace moesaic::executor::cpu {
namespace {

constexpr std::int32_t kMagnitude = 0x7FFFFFFF, kTwoTo64 = 0x5F800000;  // IEEE 754 binary32

std::int32_t magnitude_of(float x) { return std::bit_cast<std::int32_t>(x) & kMagnitude; }

// Without their signs, the bits of floats are in the order of their magnitudes, NaN above infinity.
MOESAIC_VECTORISED std::int32_t largest_magnitude(const float* x, std::int64_t count) {
  std::int32_t largest = 0;
  for (std::int64_t i = 0; i < count; ++i) largest = std::max(largest, std::bit_cast<std::int32_t>(x[i]) & kMagnitude);
  return largest;
}

}  // namespace

std::int64_t find_non_finite_square(const float* x, std::int64_t count) {
  if (largest_magnitude(x, count) < kTwoTo64) return -1;
  return std::find_if(x, x + count, [](float value) { return magnitude_of(value) >= kTwoTo64; }) - x;
}

}  // namespace moesaic::executor::cpu
