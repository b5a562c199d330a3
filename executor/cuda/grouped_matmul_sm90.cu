#include "executor/cuda/grouped_matmul_sm90.h"

#include <algorithm>
#include <limits>

#include "executor/cuda/cuda_check.h"
#include "executor/cuda/grouped_kernels_sm90.h"

namespace moesaic::executor::cuda {
namespace {

constexpr Bytes kArraysBytes = Bytes{1} << 20;  // of 17,000 products, so that the block need not grow
constexpr Bytes kBoundary = 256;

int attribute(cudaDeviceAttr which) {  // answered by the runtime from what it knows, without a call to the device
  int device = 0, value = 0;
  CUDA_CHECK(cudaGetDevice(&device));
  CUDA_CHECK(cudaDeviceGetAttribute(&value, which, device));
  return value;
}

bool on_boundary(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

/// fill(arrays) writes the products that the kernel then works through.
template <typename Fill>
void run(const GroupedKernel& kernel, int64_t products, StreamScratch& scratch, Stream stream, const Fill& fill) {
  const Bytes arrays_bytes =
      (std::max(grouped_arrays_bytes(products), kArraysBytes) + kBoundary - 1) / kBoundary * kBoundary;
  void* block = scratch.get(stream, Scratch::grouped, arrays_bytes + grouped_workspace_bytes(kernel));
  const GroupedArrays arrays = grouped_arrays_at(block, products);
  fill(arrays);
  launch_grouped_kernel(kernel, arrays, static_cast<int32_t>(products), static_cast<char*>(block) + arrays_bytes,
                        stream);
}

}  // namespace

bool grouped_matmul_sm90_takes(int64_t n, int64_t k, std::span<const GroupedProblem<BFloat16>> problems) {
  constexpr int64_t kLargest = std::numeric_limits<int32_t>::max();
  if (n <= 0 || k <= 0 || n % 8 != 0 || k % 8 != 0 || n > kLargest || k > kLargest) return false;
  for (const GroupedProblem<BFloat16>& p : problems)
    if (p.rows > kLargest || (p.rows > 0 && !(on_boundary(p.a) && on_boundary(p.b) && on_boundary(p.c)))) return false;
  return attribute(cudaDevAttrComputeCapabilityMajor) == kGroupedCapability;
}

void grouped_matmul_sm90(GroupedProduct product, int64_t n, int64_t k,
                         std::span<const GroupedProblem<BFloat16>> problems, StreamScratch& scratch, Stream stream) {
  const std::vector<GroupedPart> parts = grouped_parts(product, n, k, problems);
  if (parts.empty()) return;
  std::vector<int64_t> rows;
  int64_t longest = 0;
  for (const GroupedPart& part : parts) {
    rows.push_back(part.rows);
    longest = std::max<int64_t>(longest, part.rows);
  }
  const GroupedKernel kernel{product, grouped_tile(product, n, k, rows), grouped_tiles_go_down(product, n, k, longest),
                             attribute(cudaDevAttrMultiProcessorCount)};
  run(kernel, static_cast<int64_t>(parts.size()), scratch, stream,
      [&](const GroupedArrays& arrays) { fill_grouped_arrays(arrays, product, n, k, parts, stream); });
}

void grouped_matmul_sm90(GroupedProduct product, int64_t n, int64_t k, const GroupedRows& rows, int64_t expected_rows,
                         StreamScratch& scratch, Stream stream) {
  if (rows.slots == 0) return;
  const int64_t mean = std::max<int64_t>(1, expected_rows / rows.slots);
  const GroupedKernel kernel{product, grouped_tile(product, n, k, {&mean, 1}),
                             grouped_tiles_go_down(product, n, k, mean), attribute(cudaDevAttrMultiProcessorCount)};
  run(kernel, rows.slots, scratch, stream,
      [&](const GroupedArrays& arrays) { fill_grouped_arrays(arrays, product, n, k, rows, stream); });
}

}  // namespace moesaic::executor::cuda
