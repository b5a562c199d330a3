#include "executor/cuda/array_table.cuh"
#include "executor/cuda/element.cuh"
#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/finite.h"
#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {
namespace {

constexpr int kVectors = 4;                          // of a thread, under way at once
constexpr int64_t kChunk = 8 * kVectors * kThreads;  // elements of a block: one such batch of bf16, two of f32
constexpr unsigned kMagnitude = 0x7FFFFFFF, kTwoTo64 = 0x5F800000;  // IEEE 754 binary32

using Found = unsigned long long;  // -1, the largest, for none: the smallest wins
using Table = ArrayTable<Gradient, 1024, kChunk>;
static_assert(sizeof(Table) + sizeof(Found*) + sizeof(Found) <= 32764);

template <typename Element>
__device__ bool square_is_finite(Element x) {
  return (__float_as_uint(load(x)) & kMagnitude) < kTwoTo64;
}

template <typename Element>
__device__ void search(const Element* x, int64_t begin, int64_t end, Found first_of_array, Found* found) {
  constexpr int kElements = Vector<Element>::kElements;
  const bool as_vectors = reinterpret_cast<uintptr_t>(x) % sizeof(Vector<Element>) == 0;
  const int64_t behind = as_vectors ? end / kElements : begin / kElements;  // the last whole vector
  for (int64_t first = begin / kElements + threadIdx.x; first < behind; first += kVectors * kThreads) {
    Vector<Element> batch[kVectors];
    for (int i = 0; i < kVectors; ++i)
      if (first + i * kThreads < behind) batch[i] = vectors(x)[first + i * kThreads];
    for (int i = 0; i < kVectors; ++i)
      for (int e = 0; e < kElements && first + i * kThreads < behind; ++e)
        if (!square_is_finite(batch[i].element[e]))
          atomicMin(found, first_of_array + static_cast<Found>((first + i * kThreads) * kElements + e));
  }
  for (int64_t i = behind * kElements + threadIdx.x; i < end; i += kThreads)
    if (!square_is_finite(x[i])) atomicMin(found, first_of_array + static_cast<Found>(i));
}

__global__ void search_arrays(const __grid_constant__ Table table, Found first_array, Found* found) {
  const auto [entry, begin, end] = table.share_of(blockIdx.x);
  const Gradient& g = table.entries[entry];
  const Found first = (first_array + static_cast<Found>(entry)) << 40;
  if (g.dtype == DType::bf16)
    search(static_cast<const BFloat16*>(g.data), begin, end, first, found);
  else
    search(static_cast<const float*>(g.data), begin, end, first, found);
}

}  // namespace

void find_non_finite(std::span<const Gradient> gradients, int64_t* found, Stream stream) {
  CUDA_CHECK(cudaMemsetAsync(found, 0xFF, sizeof *found, stream));
  for_each_table<Table>(gradients, [&](const Table& table, unsigned blocks, size_t first) {
    launch_kernel(search_arrays, blocks, kThreads, stream, table, first, reinterpret_cast<Found*>(found));
  });
}

}  // namespace moesaic::executor::cuda
