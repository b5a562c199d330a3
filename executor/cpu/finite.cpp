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

// Elements: still in a near cache when they are read for their squares.
constexpr std::int64_t kCheckedStretch = 1 << 14;
static_assert(kCheckedStretch <= ExactSquares::kMostPerSum);

/// Neighbours add to different sums, so that none waits for the one before it.
void add_squares(const float* x, std::int64_t count, ExactSquares& squares) {
  constexpr int kSums = 4;
  std::uint64_t sums[kSums][ExactSquares::kExponents] = {};
  for (std::int64_t i = 0; i < count; ++i) {
    const auto bits = static_cast<std::uint32_t>(magnitude_of(x[i])), exponent = bits >> 23;
    const std::uint64_t significand = (bits & 0x7FFFFF) | (exponent > 0 ? 0x800000u : 0u);
    sums[i % kSums][exponent] += significand * significand;
  }
  for (int i = 1; i < kSums; ++i)
    for (std::size_t e = 0; e < ExactSquares::kExponents; ++e) sums[0][e] += sums[i][e];
  squares.add(sums[0]);
}

std::int64_t find_in(const float* x, std::int64_t count) {
  if (largest_magnitude(x, count) < kTwoTo64) return -1;
  return std::find_if(x, x + count, [](float value) { return magnitude_of(value) >= kTwoTo64; }) - x;
}

}  // namespace

std::int64_t find_non_finite_square(const float* x, std::int64_t count, ExactSquares* squares) {
  if (squares == nullptr) return find_in(x, count);
  for (std::int64_t begin = 0; begin < count; begin += kCheckedStretch) {
    const std::int64_t n = std::min(kCheckedStretch, count - begin);
    if (const std::int64_t found = find_in(x + begin, n); found >= 0) return begin + found;
    add_squares(x + begin, n, *squares);
  }
  return -1;
}

}  // namespace moesaic::executor::cpu
