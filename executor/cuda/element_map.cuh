#pragma once
// y[i] = f(a[i], b[i]) over arrays, in 16-byte vectors where the pointers allow it; y may be a or b.
// It does not reduce.

#include "executor/cuda/cuda_check.h"
#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

template <typename F>
__device__ float4 mapped(const F& f, const float4& a, const float4& b) {
  return {f(a.x, b.x), f(a.y, b.y), f(a.z, b.z), f(a.w, b.w)};
}

template <typename F>
__device__ float mapped(const F& f, float a, float b) {
  return f(a, b);
}

template <typename Element, typename F>
__global__ void map_kernel(const Element* a, const Element* b, Element* y, int64_t n, F f) {
  for (int64_t i = first_item(); i < n; i += item_stride()) y[i] = mapped(f, a[i], b[i]);
}

template <typename F>
void map_elements(const float* a, const float* b, float* y, int64_t n, F f, Stream stream) {
  const int64_t vectors = aligned_for_vectors(a, b, y) ? n / 4 : 0;
  if (vectors > 0) {
    map_kernel<<<blocks_for(vectors), kThreads, 0, stream>>>(reinterpret_cast<const float4*>(a),
                                                             reinterpret_cast<const float4*>(b),
                                                             reinterpret_cast<float4*>(y), vectors, f);
    CUDA_CHECK(cudaGetLastError());
  }
  const int64_t done = 4 * vectors;
  if (done == n) return;
  map_kernel<<<blocks_for(n - done), kThreads, 0, stream>>>(a + done, b + done, y + done, n - done, f);
  CUDA_CHECK(cudaGetLastError());
}

}  // namespace moesaic::executor::cuda
