#pragma once
// Gradients of gains and biases: what blocks have summed over their rows, summed over the blocks in a fixed order.

#include "executor/cuda/element.cuh"
#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {

constexpr int kColumns = 32, kRowGroups = 16;  // of a block

/// gradient [columns] += sums [blocks, columns] over blocks. Group g adds those of the blocks g, g + 16, ..., and the
/// groups are folded in order.
template <typename Element>
__global__ void add_block_sums(const float* sums, Element* gradient, int blocks, int64_t columns) {
  __shared__ float of_group[kRowGroups][kColumns];
  const int lane = static_cast<int>(threadIdx.x) % kColumns, group = static_cast<int>(threadIdx.x) / kColumns;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kColumns + lane;
  float sum = 0.0f;
  if (column < columns)
    for (int block = group; block < blocks; block += kRowGroups) sum += sums[block * columns + column];
  of_group[group][lane] = sum;
  __syncthreads();
  if (group != 0 || column >= columns) return;
  for (int other = 1; other < kRowGroups; ++other) sum += of_group[other][lane];
  gradient[column] = store<Element>(load(gradient[column]) + sum);
}

/// gradient [columns] += sums [blocks, columns] over blocks.
template <typename Element>
void add_column_sums(const float* sums, Element* gradient, int blocks, int64_t columns, Stream stream) {
  launch_kernel(add_block_sums<Element>, static_cast<unsigned>((columns + kColumns - 1) / kColumns),
                kColumns * kRowGroups, stream, sums, gradient, blocks, columns);
}

}  // namespace moesaic::executor::cuda
