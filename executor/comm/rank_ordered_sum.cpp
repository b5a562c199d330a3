#include "executor/comm/rank_ordered_sum.h"

#include <algorithm>

#include "core/schema/error.h"

namespace moesaic::executor {
namespace {

// 8 KiB of floats: the running sum stays in the first-level cache while the contributions stream past once.
constexpr int64_t kBlock = 2048;

}  // namespace

template <typename T>
void rank_ordered_sum(std::span<const T* const> contributions, T* out, int64_t count) {
  MOESAIC_CHECK(!contributions.empty(), "a sum needs at least one contribution");
  alignas(64) T sum[kBlock];
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t block = std::min(kBlock, count - begin);
    std::copy_n(contributions[0] + begin, block, sum);
    for (const T* contribution : contributions.subspan(1)) {
      const T* from = contribution + begin;
      for (int64_t i = 0; i < block; ++i) sum[i] += from[i];
    }
    std::copy_n(sum, block, out + begin);
  }
}

template void rank_ordered_sum<float>(std::span<const float* const>, float*, int64_t);
template void rank_ordered_sum<double>(std::span<const double* const>, double*, int64_t);

}  // namespace moesaic::executor
