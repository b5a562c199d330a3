#include "executor/comm/rank_ordered_sum.h"

#include <algorithm>
#include <type_traits>

#include "core/schema/bfloat16.h"
#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

// 8 KiB of floats: the running sum stays in the first-level cache while the contributions stream past once.
constexpr int64_t kBlock = 2048;

/// What contributions of type T are added in.
template <typename T>
using Sum = std::conditional_t<std::is_same_v<T, BFloat16>, float, T>;

double widened(double x) { return x; }
float widened(float x) { return x; }
float widened(BFloat16 x) { return to_float(x); }

template <typename T>
T rounded(Sum<T> sum) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    return to_bf16(sum);
  } else {
    return sum;
  }
}

}  // namespace

template <typename T>
void rank_ordered_sum(std::span<const T* const> contributions, T* out, int64_t count) {
  MOESAIC_CHECK(!contributions.empty(), "a sum needs at least one contribution");
  alignas(64) Sum<T> sum[kBlock];
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t block = std::min(kBlock, count - begin);
    for (int64_t i = 0; i < block; ++i) sum[i] = widened(contributions[0][begin + i]);
    for (const T* contribution : contributions.subspan(1)) {
      const T* from = contribution + begin;
      for (int64_t i = 0; i < block; ++i) sum[i] += widened(from[i]);
    }
    for (int64_t i = 0; i < block; ++i) out[begin + i] = rounded<T>(sum[i]);
  }
}

template void rank_ordered_sum<float>(std::span<const float* const>, float*, int64_t);
template void rank_ordered_sum<BFloat16>(std::span<const BFloat16* const>, BFloat16*, int64_t);
template void rank_ordered_sum<double>(std::span<const double* const>, double*, int64_t);

}  // namespace moesaic::executor
