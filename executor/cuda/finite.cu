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
using Sum = unsigned long long;
using Table = ArrayTable<Gradient, 1024, kChunk>;
static_assert(sizeof(Table) + 2 * sizeof(Found*) + sizeof(Found) <= 32764);
static_assert(kChunk <= ExactSquares::kMostPerSum && ExactSquares::kExponents == kThreads);

/// `sums`: null where nobody wants them.
template <typename Element>
__device__ void look_at(Element x, Found place, Found* found, Sum* sums) {
  const unsigned bits = __float_as_uint(load(x)) & kMagnitude, exponent = bits >> 23;
  if (bits >= kTwoTo64) {
    atomicMin(found, place);
  } else if (sums != nullptr && bits > 0) {
    const Sum significand = (bits & 0x7FFFFF) | (exponent > 0 ? 0x800000 : 0);
    atomicAdd(&sums[exponent], significand * significand);
  }
}

template <typename Element>
__device__ void search(const Element* x, int64_t begin, int64_t end, Found first_of_array, Found* found, Sum* sums) {
  constexpr int kElements = Vector<Element>::kElements;
  const bool as_vectors = reinterpret_cast<uintptr_t>(x) % sizeof(Vector<Element>) == 0;
  const int64_t behind = as_vectors ? end / kElements : begin / kElements;  // the last whole vector
  for (int64_t first = begin / kElements + threadIdx.x; first < behind; first += kVectors * kThreads) {
    Vector<Element> batch[kVectors];
    for (int i = 0; i < kVectors; ++i)
      if (first + i * kThreads < behind) batch[i] = vectors(x)[first + i * kThreads];
    for (int i = 0; i < kVectors; ++i)
      for (int e = 0; e < kElements && first + i * kThreads < behind; ++e)
        look_at(batch[i].element[e], first_of_array + static_cast<Found>((first + i * kThreads) * kElements + e), found,
                sums);
  }
  for (int64_t i = behind * kElements + threadIdx.x; i < end; i += kThreads)
    look_at(x[i], first_of_array + static_cast<Found>(i), found, sums);
}

/// The sums of a block, one exponent a thread, in halves: those of all blocks fit 64 bits.
__device__ void add_sum(Sum sum, Sum* sums) {
  if (sum == 0) return;
  atomicAdd(&sums[threadIdx.x], sum & 0xFFFFFFFF);
  atomicAdd(&sums[kThreads + threadIdx.x], sum >> 32);
}

template <bool kSums>
__global__ void search_arrays(const __grid_constant__ Table table, Found first_array, Found* found, Sum* sums) {
  __shared__ Sum of_block[kSums ? kThreads : 1];
  if constexpr (kSums) {
    of_block[threadIdx.x] = 0;
    __syncthreads();
  }
  const auto [entry, begin, end] = table.share_of(blockIdx.x);
  const Gradient& g = table.entries[entry];
  const Found first = (first_array + static_cast<Found>(entry)) << 40;
  if (g.dtype == DType::bf16)
    search(static_cast<const BFloat16*>(g.data), begin, end, first, found, kSums ? of_block : nullptr);
  else
    search(static_cast<const float*>(g.data), begin, end, first, found, kSums ? of_block : nullptr);
  if constexpr (kSums) {
    __syncthreads();
    add_sum(of_block[threadIdx.x], sums);
  }
}

}  // namespace

void find_non_finite(std::span<const Gradient> gradients, int64_t* found, uint64_t* sums, Stream stream) {
  CUDA_CHECK(cudaMemsetAsync(found, 0xFF, sizeof *found, stream));
  if (sums != nullptr) CUDA_CHECK(cudaMemsetAsync(sums, 0, 2 * ExactSquares::kExponents * sizeof *sums, stream));
  for_each_table<Table>(gradients, [&](const Table& table, unsigned blocks, size_t first) {
    launch_kernel(sums != nullptr ? search_arrays<true> : search_arrays<false>, blocks, kThreads, stream, table,
                  static_cast<Found>(first), reinterpret_cast<Found*>(found), reinterpret_cast<Sum*>(sums));
  });
}

}  // namespace moesaic::executor::cuda
