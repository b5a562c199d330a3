#include "executor/cuda/block_sum.cuh"
#include "executor/cuda/cuda_check.h"
#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/layer_norm.h"

namespace moesaic::executor::cuda {
namespace {

constexpr int kColumns = 32, kRowGroups = 16;  // of the block that sums over rows: one warp reads 128 adjacent bytes

// One block per row.
__global__ void normalise(const float* x, const float* gain_bias, float* y, float* stats, int64_t h) {
  x += blockIdx.x * h, y += blockIdx.x * h;
  const auto width = static_cast<float>(h);
  float sum = 0.0f;
  for (int64_t j = threadIdx.x; j < h; j += kThreads) sum += x[j];
  const float mean = block_sum<kThreads>(sum) / width;
  float squares = 0.0f;
  for (int64_t j = threadIdx.x; j < h; j += kThreads) squares += (x[j] - mean) * (x[j] - mean);
  const float inverse_std = 1.0f / sqrtf(block_sum<kThreads>(squares) / width + kLayerNormEpsilon);
  for (int64_t j = threadIdx.x; j < h; j += kThreads)
    y[j] = (x[j] - mean) * inverse_std * gain_bias[j] + gain_bias[h + j];
  if (threadIdx.x == 0) stats[2 * blockIdx.x] = mean, stats[2 * blockIdx.x + 1] = inverse_std;
}

// With n = (x - mean) * inverse_std and g = dy * gain: dx = inverse_std * (g - mean(g) - n * mean(g n)). One block per
// row.
__global__ void normalise_gradient(const float* dy, const float* x, const float* stats, const float* gain, float* dx,
                                   int64_t h) {
  dy += blockIdx.x * h, x += blockIdx.x * h, dx += blockIdx.x * h;
  const float mean = stats[2 * blockIdx.x], inverse_std = stats[2 * blockIdx.x + 1];
  float g_sum = 0.0f, gn_sum = 0.0f;
  for (int64_t j = threadIdx.x; j < h; j += kThreads) {
    g_sum += dy[j] * gain[j];
    gn_sum += dy[j] * gain[j] * ((x[j] - mean) * inverse_std);
  }
  const float g_mean = block_sum<kThreads>(g_sum) / static_cast<float>(h);
  const float gn_mean = block_sum<kThreads>(gn_sum) / static_cast<float>(h);
  for (int64_t j = threadIdx.x; j < h; j += kThreads)
    dx[j] = inverse_std * (dy[j] * gain[j] - g_mean - (x[j] - mean) * inverse_std * gn_mean);
}

// One block per 32 columns; row group r sums the rows r, r + 16, ..., and the groups are folded in order.
__global__ void gain_bias_gradient(const float* dy, const float* x, const float* stats, float* dgain_bias, int64_t m,
                                   int64_t h) {
  __shared__ float gains[kRowGroups][kColumns], biases[kRowGroups][kColumns];
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kColumns + threadIdx.x;
  float gain = 0.0f, bias = 0.0f;
  if (column < h)
    for (int64_t row = threadIdx.y; row < m; row += kRowGroups) {
      const float d = dy[row * h + column];
      gain += d * ((x[row * h + column] - stats[2 * row]) * stats[2 * row + 1]);
      bias += d;
    }
  gains[threadIdx.y][threadIdx.x] = gain;
  biases[threadIdx.y][threadIdx.x] = bias;
  __syncthreads();
  if (threadIdx.y != 0 || column >= h) return;
  for (int group = 1; group < kRowGroups; ++group) {
    gain += gains[group][threadIdx.x];
    bias += biases[group][threadIdx.x];
  }
  dgain_bias[column] += gain;
  dgain_bias[h + column] += bias;
}

}  // namespace

void layer_norm_forward(const float* x, const float* gain_bias, float* y, float* stats, int64_t m, int64_t h,
                        Stream stream) {
  if (m == 0 || h == 0) return;
  normalise<<<static_cast<unsigned>(m), kThreads, 0, stream>>>(x, gain_bias, y, stats, h);
  CUDA_CHECK(cudaGetLastError());
}

void layer_norm_backward(const float* dy, const float* x, const float* stats, const float* gain_bias, float* dx,
                         float* dgain_bias, int64_t m, int64_t h, Stream stream) {
  if (m == 0 || h == 0) return;
  // First the sums over rows: dx may be dy.
  const auto column_blocks = static_cast<unsigned>((h + kColumns - 1) / kColumns);
  gain_bias_gradient<<<column_blocks, dim3(kColumns, kRowGroups), 0, stream>>>(dy, x, stats, dgain_bias, m, h);
  CUDA_CHECK(cudaGetLastError());
  normalise_gradient<<<static_cast<unsigned>(m), kThreads, 0, stream>>>(dy, x, stats, gain_bias, dx, h);
  CUDA_CHECK(cudaGetLastError());
}

}  // namespace moesaic::executor::cuda
