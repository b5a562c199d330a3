#pragma once
// The sum of one value per thread over a block, always in the same order, known to every thread afterwards.
// It does not reach across blocks.

namespace moesaic::executor::cuda {

// Threads is a multiple of 32, at most 1024. Every thread of the block must call it.
template <int Threads>
__device__ float block_sum(float value) {
  constexpr int kWarps = Threads / 32;
  __shared__ float of_warp[kWarps];
  for (int width = 16; width > 0; width /= 2) value += __shfl_xor_sync(0xFFFFFFFFu, value, width);
  __syncthreads();  // the sum of an earlier call may still be read
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
  __syncthreads();
  float sum = 0.0f;
  for (int warp = 0; warp < kWarps; ++warp) sum += of_warp[warp];
  return sum;
}

}  // namespace moesaic::executor::cuda
