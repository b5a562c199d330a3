#pragma once
// Tiles of 64 x 64 sums that a block of 256 threads keeps in registers, and products added to them. Plain f32
// arithmetic in a fixed order; operands are read through functions of (row, depth), so they may be of any storage and
// transposed.

#include <cstdint>

#include "executor/cuda/element.cuh"
#include "executor/cuda/element_grid.cuh"

namespace moesaic::executor::cuda {

constexpr int kTileSide = 64, kTileDepth = 16;
constexpr int kTileLanes = 16;                      // threads in a row and in a column of a tile
constexpr int kTileSteps = kTileSide / kTileLanes;  // elements of a thread in each direction
constexpr int kTilePitch = kTileSide + 1;           // of tiles in shared memory, against bank conflicts
static_assert(kTileLanes * kTileLanes == kThreads);

/// The elements (y + 16 i, x + 16 j) of thread 16 y + x.
struct Tile {
  float at[kTileSteps][kTileSteps] = {};

  __device__ static int row(int i) { return static_cast<int>(threadIdx.x) / kTileLanes + i * kTileLanes; }
  __device__ static int column(int j) { return static_cast<int>(threadIdx.x) % kTileLanes + j * kTileLanes; }
};

/// Where a product's operands wait; __shared__, one per kernel.
struct TileStage {
  float a[kTileDepth][kTilePitch], b[kTileDepth][kTilePitch];
};
struct SharedTile {
  float at[kTileSide][kTilePitch];
};

/// Rows of a matrix [rows, depth] with `stride` elements from row to row; zero beyond its end.
template <typename Element>
struct MatrixRows {
  static constexpr bool kDepthIsDense = true;
  const Element* data;
  int64_t stride, rows, depth;
  __device__ float operator()(int64_t row, int64_t k) const {
    return row < rows && k < depth ? load(data[row * stride + k]) : 0.0f;
  }
};

/// The same of its transpose: columns of a matrix [depth, rows].
template <typename Element>
struct MatrixColumns {
  static constexpr bool kDepthIsDense = false;
  const Element* data;
  int64_t stride, rows, depth;
  __device__ float operator()(int64_t row, int64_t k) const {
    return row < rows && k < depth ? load(data[k * stride + row]) : 0.0f;
  }
};

struct TileRows {
  static constexpr bool kDepthIsDense = true;
  const SharedTile& tile;
  __device__ float operator()(int64_t row, int64_t k) const { return tile.at[row][k]; }
};
struct TileColumns {
  static constexpr bool kDepthIsDense = false;
  const SharedTile& tile;
  __device__ float operator()(int64_t row, int64_t k) const { return tile.at[k][row]; }
};

/// Neighbouring threads read neighbouring elements.
template <typename Operand>
__device__ void stage(float (&to)[kTileDepth][kTilePitch], const Operand& from, int64_t first) {
  for (int i = static_cast<int>(threadIdx.x); i < kTileSide * kTileDepth; i += kThreads) {
    const int k = Operand::kDepthIsDense ? i % kTileDepth : i / kTileSide;
    const int row = Operand::kDepthIsDense ? i / kTileDepth : i % kTileSide;
    to[k][row] = from(row, first + k);
  }
}

/// sum (r, c) += sum over k < depth of a(r, k) b(c, k), k upwards. Every thread of the block must call it.
template <typename A, typename B>
__device__ void add_product(Tile& sum, TileStage& staged, const A& a, const B& b, int64_t depth) {
  for (int64_t first = 0; first < depth; first += kTileDepth) {
    __syncthreads();  // the operands before these may still be read
    stage(staged.a, a, first);
    stage(staged.b, b, first);
    __syncthreads();
    for (int k = 0; k < kTileDepth; ++k)
      for (int i = 0; i < kTileSteps; ++i)
        for (int j = 0; j < kTileSteps; ++j) sum.at[i][j] += staged.a[k][Tile::row(i)] * staged.b[k][Tile::column(j)];
  }
}

/// Makes a tile readable by the whole block; the product that reads it next waits for all threads.
__device__ inline void share(SharedTile& to, const Tile& tile) {
  __syncthreads();  // an earlier tile may still be read
  for (int i = 0; i < kTileSteps; ++i)
    for (int j = 0; j < kTileSteps; ++j) to.at[Tile::row(i)][Tile::column(j)] = tile.at[i][j];
}

/// f over each of a row's elements, the same result for all 16 threads of the row.
template <typename F>
__device__ float over_row(float value, F f) {
  for (int width = kTileLanes / 2; width > 0; width /= 2) value = f(value, __shfl_xor_sync(0xFFFFFFFFu, value, width));
  return value;
}

}  // namespace moesaic::executor::cuda
