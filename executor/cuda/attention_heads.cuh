#pragma once
// How the kernels of attention_plain.h find their operands: the heads of packed rows as matrices, and the tile of the
// result that a block makes. It computes nothing.

#include <cstdint>

#include "executor/cuda/tile_product.cuh"
#include "executor/launch/attention_shapes.h"

namespace moesaic::executor::cuda {

/// The rows of one head of one sequence: [seq, head_dim].
template <typename Element>
struct HeadMatrix {
  const Element* data;
  int64_t stride, seq, head_dim;

  __device__ MatrixRows<Element> rows(int64_t row) const { return {data + row * stride, stride, seq - row, head_dim}; }
  __device__ MatrixColumns<Element> columns(int64_t row, int64_t column) const {
    return {data + row * stride + column, stride, head_dim - column, seq - row};
  }
};

/// The arrays of all heads; dout, saved and row_sums in the backward pass only.
template <typename Element>
struct AttentionArrays {
  const Element *q, *k, *v, *dout;
  const float *saved, *row_sums;
  int64_t seq, heads, kv_heads, head_dim;
  int64_t qk_stride, v_stride, out_stride;  // from token to token
  float scale;

  __device__ HeadMatrix<Element> matrix(const Element* first, int64_t stride, int64_t item, int64_t head) const {
    return {first + item * seq * stride + head * head_dim, stride, seq, head_dim};
  }
};

/// What one query head reads.
template <typename Element>
struct Head {
  __device__ Head(const AttentionArrays<Element>& of, int64_t item, int64_t head)
      : q(of.matrix(of.q, of.qk_stride, item, head)),
        k(of.matrix(of.k, of.qk_stride, item, head / (of.heads / of.kv_heads))),
        v(of.matrix(of.v, of.v_stride, item, head / (of.heads / of.kv_heads))),
        scale(of.scale) {}

  HeadMatrix<Element> q, k, v;
  float scale;
};

/// Which tile of the result a block makes: 64 tokens of one head of one sequence, 64 columns of the head. Where
/// head_dim is larger, several blocks make the same scores again.
struct OutputTile {
  __device__ OutputTile(int64_t seq, int64_t heads) {
    const int64_t tiles = (seq + kTileSide - 1) / kTileSide, index = blockIdx.x;
    row = index % tiles * kTileSide;
    head = index / tiles % heads;
    item = index / tiles / heads;
    column = static_cast<int64_t>(blockIdx.y) * kTileSide;
  }
  int64_t row, head, item, column;
};

inline dim3 attention_grid(const AttentionShape& s, int64_t heads) {
  const auto tiles = [](int64_t n) { return (n + kTileSide - 1) / kTileSide; };
  return {static_cast<unsigned>(tiles(s.seq) * heads * s.batch), static_cast<unsigned>(tiles(s.head_dim))};
}

template <typename Element>
AttentionArrays<Element> attention_arrays(const Element* turned, const Element* qkv, const AttentionShape& s) {
  return {turned,
          turned + s.k_column(),
          qkv + s.v_column(),
          nullptr,
          nullptr,
          nullptr,
          s.seq,
          s.heads,
          s.kv_heads,
          s.head_dim,
          s.turned_columns(),
          s.qkv_columns(),
          s.out_columns(),
          1.0f / sqrtf(static_cast<float>(s.head_dim))};
}

}  // namespace moesaic::executor::cuda
