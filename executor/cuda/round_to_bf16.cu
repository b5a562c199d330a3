#include <cuda_bf16.h>

#include "executor/cuda/cuda_check.h"
#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/round_to_bf16.h"

namespace moesaic::executor::cuda {
namespace {

__device__ BFloat16 rounded(float x) { return __bfloat16_as_ushort(__float2bfloat16_rn(x)); }

__global__ void round_vectors(const float4* x, ushort4* y, int64_t vectors) {
  for (int64_t i = first_item(); i < vectors; i += item_stride()) {
    const float4 v = x[i];
    y[i] = {rounded(v.x), rounded(v.y), rounded(v.z), rounded(v.w)};
  }
}

__global__ void round_elements(const float* x, BFloat16* y, int64_t n) {
  for (int64_t i = first_item(); i < n; i += item_stride()) y[i] = rounded(x[i]);
}

}  // namespace

void round_to_bf16(const float* x, BFloat16* y, int64_t n, Stream stream) {
  const int64_t vectors = aligned_for_vectors(x, y) ? n / 4 : 0;
  if (vectors > 0) {
    round_vectors<<<blocks_for(vectors), kThreads, 0, stream>>>(reinterpret_cast<const float4*>(x),
                                                                reinterpret_cast<ushort4*>(y), vectors);
    CUDA_CHECK(cudaGetLastError());
  }
  const int64_t rest = n - 4 * vectors;
  if (rest == 0) return;
  round_elements<<<blocks_for(rest), kThreads, 0, stream>>>(x + 4 * vectors, y + 4 * vectors, rest);
  CUDA_CHECK(cudaGetLastError());
}

}  // namespace moesaic::executor::cuda
