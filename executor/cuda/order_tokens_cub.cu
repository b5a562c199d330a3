#include <bit>
#include <cub/device/device_radix_sort.cuh>

#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/launch_kernel.cuh"
#include "executor/cuda/order_tokens.h"

namespace moesaic::executor::cuda {
namespace {

__global__ void count_up(int32_t* positions, int64_t m) {
  for (int64_t i = first_item(); i < m; i += item_stride()) positions[i] = static_cast<int32_t>(i);
}

}  // namespace

TokenOrder order_tokens(const int32_t* tokens, int64_t m, int64_t vocabulary, StreamScratch& scratch, Stream stream) {
  auto* block =
      static_cast<int32_t*>(scratch.get(stream, Scratch::token_order, 3 * m * static_cast<Bytes>(sizeof(int32_t))));
  int32_t *sorted = block, *positions = block + m, *as_given = block + 2 * m;
  launch_kernel(count_up, blocks_for(m), kThreads, stream, as_given, m);
  // A radix sort keeps the order of equal keys; fewer bits are fewer passes.
  const int bits = std::max(1, static_cast<int>(std::bit_width(static_cast<uint64_t>(vocabulary - 1))));
  const auto sort = [&](void* space, size_t& bytes) {
    CUDA_CHECK(cub::DeviceRadixSort::SortPairs(space, bytes, tokens, sorted, as_given, positions, m, 0, bits, stream));
  };
  size_t bytes = 0;
  sort(nullptr, bytes);
  sort(scratch.get(stream, Scratch::sort_space, static_cast<Bytes>(bytes)), bytes);
  return {sorted, positions};
}

}  // namespace moesaic::executor::cuda
