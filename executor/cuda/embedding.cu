#include "executor/cuda/cuda_check.h"
#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/embedding.h"

namespace moesaic::executor::cuda {
namespace {

// One block per token, here and below.
__global__ void look_up(const int32_t* tokens, const float* table, float* x, int64_t h) {
  const float* row = table + tokens[blockIdx.x] * h;
  for (int64_t j = threadIdx.x; j < h; j += kThreads) x[blockIdx.x * h + j] = row[j];
}

// The block of a token's first occurrence adds all occurrences in order; the others leave. No atomics, so the bits
// repeat.
__global__ void add_back(const int32_t* tokens, const float* dx, float* dtable, int64_t m, int64_t h) {
  const int64_t first = blockIdx.x;
  const int32_t token = tokens[first];
  bool seen = false;
  for (int64_t i = threadIdx.x; i < first; i += kThreads) seen |= tokens[i] == token;
  if (__syncthreads_or(seen)) return;
  for (int64_t j = threadIdx.x; j < h; j += kThreads) {
    float sum = dtable[token * h + j];
    for (int64_t i = first; i < m; ++i)
      if (tokens[i] == token) sum += dx[i * h + j];
    dtable[token * h + j] = sum;
  }
}

}  // namespace

void embedding_forward(const int32_t* tokens, const float* table, float* x, int64_t m, int64_t h, Stream stream) {
  if (m == 0) return;
  look_up<<<static_cast<unsigned>(m), kThreads, 0, stream>>>(tokens, table, x, h);
  CUDA_CHECK(cudaGetLastError());
}

void embedding_backward(const int32_t* tokens, const float* dx, float* dtable, int64_t m, int64_t h, Stream stream) {
  if (m == 0) return;
  add_back<<<static_cast<unsigned>(m), kThreads, 0, stream>>>(tokens, dx, dtable, m, h);
  CUDA_CHECK(cudaGetLastError());
}

}  // namespace moesaic::executor::cuda
