// Stands in for executor/cuda/order_tokens_cub.cu, which calls a library: each token counts those before it.

#include "executor/cuda/order_tokens.h"

#include <cuda_runtime.h>

#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {
namespace {

__global__ void count_earlier(const int32_t* tokens, int32_t* sorted, int32_t* positions, int64_t m) {
  for (int64_t i = first_item(); i < m; i += item_stride()) {
    int64_t earlier = 0;
    for (int64_t j = 0; j < m; ++j) earlier += tokens[j] < tokens[i] || (tokens[j] == tokens[i] && j < i);
    sorted[earlier] = tokens[i];
    positions[earlier] = static_cast<int32_t>(i);
  }
}

}  // namespace

TokenOrder order_tokens(const int32_t* tokens, int64_t m, int64_t, StreamScratch& scratch, Stream stream) {
  auto* sorted =
      static_cast<int32_t*>(scratch.get(stream, Scratch::token_order, 2 * m * static_cast<Bytes>(sizeof(int32_t))));
  launch_kernel(count_earlier, blocks_for(m), kThreads, stream, tokens, sorted, sorted + m, m);
  return {sorted, sorted + m};
}

}  // namespace moesaic::executor::cuda
