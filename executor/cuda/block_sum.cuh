#pragma once
// Sums and the maximum of one value per thread over a block, always in the same order, known to every thread
// afterwards. They do not reach across blocks.

namespace moesaic::executor::cuda {

// Threads is a multiple of 32, at most 1024. Every thread of the block must call it; here and below.
template <int Threads, int Count>
__device__ void block_sums(float (&values)[Count]) {
  constexpr int kWarps = Threads / 32;
  for (float& value : values)
    for (int width = 16; width > 0; width /= 2) value += __shfl_xor_sync(0xFFFFFFFFu, value, width);
  if constexpr (kWarps > 1) {
    __shared__ float of_warp[Count][kWarps];
    __syncthreads();  // the sums of an earlier call may still be read
    if (threadIdx.x % 32 == 0)
      for (int i = 0; i < Count; ++i) of_warp[i][threadIdx.x / 32] = values[i];
    __syncthreads();
    for (int i = 0; i < Count; ++i) {
      values[i] = 0.0f;
      for (int warp = 0; warp < kWarps; ++warp) values[i] += of_warp[i][warp];
    }
  }
}

template <int Threads>
__device__ float block_sum(float value) {
  float values[1] = {value};
  block_sums<Threads>(values);
  return values[0];
}

// NaN is passed over.
template <int Threads>
__device__ float block_max(float value) {
  constexpr int kWarps = Threads / 32;
  __shared__ float of_warp[kWarps];
  for (int width = 16; width > 0; width /= 2) value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, width));
  __syncthreads();  // the result of an earlier call may still be read
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  for (int warp = 0; warp < kWarps; ++warp) value = fmaxf(value, of_warp[warp]);
  return value;
}

}  // namespace moesaic::executor::cuda
