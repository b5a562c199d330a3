#include "executor/cuda/benchmark/copy_yardstick.h"

#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kUnits = 4;  // in flight per thread: enough loads to hide the memory's latency
constexpr int64_t kUnitBytes = 16, kUnitElements = 8;  // one access; of BFloat16

__global__ void copy_units(const uint4* __restrict__ from, uint4* __restrict__ to, int64_t units) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kThreads * kUnits + threadIdx.x;
  uint4 values[kUnits];
#pragma unroll
  for (int i = 0; i < kUnits; ++i)
    if (first + i * kThreads < units) values[i] = from[first + i * kThreads];
#pragma unroll
  for (int i = 0; i < kUnits; ++i)
    if (first + i * kThreads < units) to[first + i * kThreads] = values[i];
}

}  // namespace

CopyYardstick::CopyYardstick(Bytes moved) : from_(moved / 2 / kUnitBytes * kUnitElements), to_(from_.count()) {
  fill_random(from_, 1.0f);
}

void CopyYardstick::by_driver(Stream stream) {
  CUDA_CHECK(
      cudaMemcpyAsync(to_.data(), from_.data(), static_cast<size_t>(from_.bytes()), cudaMemcpyDeviceToDevice, stream));
}

void CopyYardstick::by_kernel(Stream stream) {
  const int64_t units = from_.bytes() / kUnitBytes, of_block = int64_t{kThreads} * kUnits;
  launch_kernel(copy_units, static_cast<unsigned>((units + of_block - 1) / of_block), kThreads, stream,
                reinterpret_cast<const uint4*>(from_.data()), reinterpret_cast<uint4*>(to_.data()), units);
}

}  // namespace moesaic::executor::cuda
