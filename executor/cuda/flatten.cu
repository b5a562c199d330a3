#include "executor/cuda/block_sum.cuh"
#include "executor/cuda/cuda_check.h"
#include "executor/cuda/element.cuh"
#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/element_map.cuh"
#include "executor/cuda/flatten.h"
#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {
namespace {

template <typename Element>
__global__ void widen_gradient(const Element* g, float* widened, int64_t count) {
  for (int64_t i = first_item(); i < count; i += item_stride()) widened[i] = load(g[i]);
}

template <bool kSquares>
__global__ void sums_of_blocks(const float* x, float* sums, int64_t count) {
  float own = 0.0f;
  for (int64_t i = first_item(); i < count; i += item_stride()) own += kSquares ? x[i] * x[i] : fabsf(x[i]);
  const float of_block = block_sum<kThreads>(own);
  if (threadIdx.x == 0) sums[blockIdx.x] = of_block;
}

__global__ void add_sums(const float* sums, float* total, int64_t count) {
  float own = 0.0f;
  for (int64_t i = first_item(); i < count; i += item_stride()) own += sums[i];
  const float sum = block_sum<kThreads>(own);
  if (threadIdx.x == 0) *total += sum;
}

template <bool kSquares>
void add_sum_of(const float* x, float* total, int64_t count, StreamScratch& scratch, Stream stream) {
  const unsigned blocks = blocks_for(count);
  auto* sums = static_cast<float*>(scratch.get(stream, Scratch::row_sums, blocks * Bytes{sizeof(float)}));
  launch_kernel(sums_of_blocks<kSquares>, blocks, kThreads, stream, x, sums, count);
  launch_kernel(add_sums, 1, kThreads, stream, sums, total, blocks);
}

struct Scale {
  float factor;
  __device__ float operator()(float x) const { return factor * x; }
};

}  // namespace

template <typename Element>
void flatten_gradient(const Element* g, float* widened, float* copy, float* statistics, int64_t count, float loss_scale,
                      StreamScratch& scratch, Stream stream) {
  if (count == 0) return;
  const unsigned blocks = blocks_for(count);
  launch_kernel(widen_gradient<Element>, blocks, kThreads, stream, g, widened, count);
  add_sum_of<false>(widened, statistics, count, scratch, stream);
  launch_kernel(widen_gradient<Element>, blocks, kThreads, stream, g, widened, count);
  CUDA_CHECK(
      cudaMemcpyAsync(copy, widened, static_cast<size_t>(count) * sizeof(float), cudaMemcpyDeviceToDevice, stream));
  add_sum_of<true>(copy, statistics + 1, count, scratch, stream);
  map_elements(Scale{1 / loss_scale}, copy, count, stream, copy);
}

template void flatten_gradient(const float*, float*, float*, float*, int64_t, float, StreamScratch&, Stream);
template void flatten_gradient(const BFloat16*, float*, float*, float*, int64_t, float, StreamScratch&, Stream);

}  // namespace moesaic::executor::cuda
