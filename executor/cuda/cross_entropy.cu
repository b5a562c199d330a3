#include <cmath>

#include "executor/cuda/block_sum.cuh"
#include "executor/cuda/cross_entropy.h"
#include "executor/cuda/cuda_check.h"
#include "executor/cuda/element_grid.cuh"

namespace moesaic::executor::cuda {
namespace {

// The largest value of a block. A NaN is passed over: it shows in the sum of exponentials.
__device__ float block_max(float value) {
  __shared__ float of_thread[kThreads];
  of_thread[threadIdx.x] = value;
  for (int width = kThreads / 2; width > 0; width /= 2) {
    __syncthreads();
    if (threadIdx.x < width) of_thread[threadIdx.x] = fmaxf(of_thread[threadIdx.x], of_thread[threadIdx.x + width]);
  }
  __syncthreads();
  return of_thread[0];
}

// One block per row.
__global__ void row_loss(const float* logits, const int32_t* targets, float* dlogits, double* losses, int64_t v,
                         float scale) {
  const int64_t row = blockIdx.x;
  logits += row * v, dlogits += row * v;
  const int32_t target = targets[row];
  float largest = -INFINITY;
  for (int64_t j = threadIdx.x; j < v; j += kThreads) largest = fmaxf(largest, logits[j]);
  const float max = block_max(largest);
  const float target_logit = logits[target];  // read before dlogits, which may be logits, is written
  float exponentials = 0.0f;
  for (int64_t j = threadIdx.x; j < v; j += kThreads) exponentials += expf(logits[j] - max);
  const float sum = block_sum<kThreads>(exponentials);
  for (int64_t j = threadIdx.x; j < v; j += kThreads)
    dlogits[j] = scale / sum * expf(logits[j] - max) - (j == target ? scale : 0.0f);
  if (threadIdx.x == 0)
    losses[row] = log(static_cast<double>(sum)) - (static_cast<double>(target_logit) - static_cast<double>(max));
}

// One block: thread t sums the rows t, t + kThreads, ..., and the threads are folded in halves.
__global__ void add_losses(const double* losses, double* loss, int64_t m, double scale) {
  __shared__ double of_thread[kThreads];
  double sum = 0.0;
  for (int64_t row = threadIdx.x; row < m; row += kThreads) sum += losses[row];
  of_thread[threadIdx.x] = sum;
  for (int width = kThreads / 2; width > 0; width /= 2) {
    __syncthreads();
    if (threadIdx.x < width) of_thread[threadIdx.x] += of_thread[threadIdx.x + width];
  }
  if (threadIdx.x == 0) *loss += scale * of_thread[0];
}

}  // namespace

void cross_entropy(const float* logits, const int32_t* targets, float* dlogits, double* loss, int64_t m, int64_t v,
                   double scale, StreamScratch& scratch, Stream stream) {
  if (m == 0) return;
  auto* losses = static_cast<double*>(scratch.get(stream, Scratch::row_losses, m * static_cast<Bytes>(sizeof(double))));
  row_loss<<<static_cast<unsigned>(m), kThreads, 0, stream>>>(logits, targets, dlogits, losses, v,
                                                              static_cast<float>(scale));
  CUDA_CHECK(cudaGetLastError());
  add_losses<<<1, kThreads, 0, stream>>>(losses, loss, m, scale);
  CUDA_CHECK(cudaGetLastError());
}

}  // namespace moesaic::executor::cuda
