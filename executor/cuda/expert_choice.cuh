#pragma once
// The choice of one token's experts by one warp, whose lane l holds the probabilities of experts l, l + 32, ... It
// knows neither weights nor capacities.

#include <cstdint>

#include "core/schema/error.h"
#include "executor/cuda/row_placement.h"

namespace moesaic::executor::cuda {

constexpr unsigned kWholeWarp = 0xFFFFFFFFu;

/// visit(i, expert, probability) in every lane for the top_k largest, in order, the lower index first among equals.
/// Non-negative floats order as their bits do; all NaN, which softmax gives a row or none, are made equal, so that a
/// fault does not become a wild index.
template <int PerLane, typename Visit>
__device__ void choose_experts(const float (&p)[PerLane], int32_t num_experts, int32_t top_k, const Visit& visit) {
  constexpr int32_t kTaken = -1, kNaN = 0x7FC00000;
  const int lane = threadIdx.x % 32;
  int32_t open[PerLane];
  for (int j = 0; j < PerLane; ++j) {
    const bool ordered = p[j] >= 0.0f;
    open[j] = lane + 32 * j >= num_experts ? kTaken : ordered ? static_cast<int32_t>(__float_as_uint(p[j])) : kNaN;
  }
  for (int32_t i = 0; i < top_k; ++i) {
    int32_t best = kTaken, at = 0;
    for (int j = 0; j < PerLane; ++j)
      if (open[j] > best) best = open[j], at = lane + 32 * j;
    for (int width = 16; width > 0; width /= 2) {
      const int32_t other = __shfl_xor_sync(kWholeWarp, best, width);
      const int32_t other_at = __shfl_xor_sync(kWholeWarp, at, width);
      if (other > best || (other == best && other_at < at)) best = other, at = other_at;
    }
    for (int j = 0; j < PerLane; ++j)
      if (at == lane + 32 * j) open[j] = kTaken;
    visit(i, at, __uint_as_float(static_cast<uint32_t>(best)));
  }
}

__device__ inline float warp_sum(float value) {
  for (int width = 16; width > 0; width /= 2) value += __shfl_xor_sync(kWholeWarp, value, width);
  return value;
}

/// Calls f with the least number of experts per lane that holds them all, as a type: std::integral_constant.
template <typename F>
void with_experts_per_lane(int64_t num_experts, const F& f) {
  static_assert(kMaxExperts == 16 * 32);
  if (num_experts <= 32) return f(std::integral_constant<int, 1>());
  if (num_experts <= 64) return f(std::integral_constant<int, 2>());
  if (num_experts <= 128) return f(std::integral_constant<int, 4>());
  if (num_experts <= 256) return f(std::integral_constant<int, 8>());
  if (num_experts <= kMaxExperts) return f(std::integral_constant<int, 16>());
  throw DeviceError("cuda: the router takes up to " + std::to_string(kMaxExperts) + " experts, not " +
                    std::to_string(num_experts));
}

}  // namespace moesaic::executor::cuda
