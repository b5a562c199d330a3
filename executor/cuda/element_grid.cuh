#pragma once
// How element-wise kernels cover an array: blocks of kThreads, and 16-byte vectors where the pointers allow it.
// It launches nothing.

#include <algorithm>
#include <cstdint>

namespace moesaic::executor::cuda {

constexpr int kThreads = 256;

// Blocks of a grid-stride loop: one pass where possible; beyond 2^20 blocks more add no parallelism.
inline unsigned blocks_for(int64_t items) {
  return static_cast<unsigned>(std::clamp<int64_t>((items + kThreads - 1) / kThreads, 1, 1 << 20));
}

template <typename... Pointers>
bool aligned_for_vectors(const Pointers*... data) {
  return ((reinterpret_cast<uintptr_t>(data) % sizeof(float4) == 0) && ...);
}

__device__ inline int64_t first_item() { return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline int64_t item_stride() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

}  // namespace moesaic::executor::cuda
