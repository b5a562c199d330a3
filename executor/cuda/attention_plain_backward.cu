#include "executor/cuda/attention_heads.cuh"
#include "executor/cuda/attention_plain.h"
#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {
namespace {

constexpr int kWarp = 32;

/// What one query head reads in the backward pass.
template <typename Element>
struct BackwardHead : Head<Element> {
  __device__ BackwardHead(const AttentionArrays<Element>& of, int64_t item, int64_t head)
      : Head<Element>(of, item, head),
        dout(of.matrix(of.dout, of.out_stride, item, head)),
        saved(of.saved + (item * of.heads + head) * of.seq),
        row_sums(of.row_sums + (item * of.heads + head) * of.seq) {}

  HeadMatrix<Element> dout;
  const float *saved, *row_sums;
};

// row_sums [batch, heads, seq] = dout . out of each token's head, one warp each.
template <typename Element>
__global__ void sum_rows(const Element* dout, const Element* out, float* row_sums, int64_t tokens, int64_t seq,
                         int64_t heads, int64_t head_dim) {
  const int64_t index = first_item() / kWarp, token = index / heads, head = index % heads;
  if (token >= tokens) return;
  float sum = 0.0f;
  for (int64_t j = threadIdx.x % kWarp; j < head_dim; j += kWarp)
    sum += load(dout[index * head_dim + j]) * load(out[index * head_dim + j]);
  for (int width = kWarp / 2; width > 0; width /= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, width);
  if (threadIdx.x % kWarp == 0) row_sums[(token / seq * heads + head) * seq + token % seq] = sum;
}

/// p = exp(scale q k^T - saved) where the query sees the key, 0 elsewhere; ds = scale p (dout v^T - row_sums).
template <typename Element>
__device__ void score_gradients(Tile& p, Tile& ds, TileStage& staged, const BackwardHead<Element>& head, int64_t row,
                                int64_t key) {
  add_product(p, staged, head.q.rows(row), head.k.rows(key), head.q.head_dim);
  add_product(ds, staged, head.dout.rows(row), head.v.rows(key), head.q.head_dim);
  for (int i = 0; i < kTileSteps; ++i) {
    const int64_t query = row + Tile::row(i);
    const bool there = query < head.q.seq;
    const float saved = there ? head.saved[query] : 0.0f, row_sum = there ? head.row_sums[query] : 0.0f;
    for (int j = 0; j < kTileSteps; ++j) {
      const bool seen = there && key + Tile::column(j) <= query;
      p.at[i][j] = seen ? expf(p.at[i][j] * head.scale - saved) : 0.0f;
      ds.at[i][j] = p.at[i][j] * (ds.at[i][j] - row_sum) * head.scale;
    }
  }
}

/// To the rows of a head in dqkv, whose stride is that of v.
template <typename Element>
__device__ void write(const Tile& tile, Element* first, const OutputTile& at, const AttentionArrays<Element>& arrays) {
  for (int i = 0; i < kTileSteps; ++i)
    for (int j = 0; j < kTileSteps; ++j) {
      const int64_t token = at.row + Tile::row(i), column = at.column + Tile::column(j);
      if (token < arrays.seq && column < arrays.head_dim)
        first[(at.item * arrays.seq + token) * arrays.v_stride + at.head * arrays.head_dim + column] =
            store<Element>(tile.at[i][j]);
    }
}

// dq = ds k
template <typename Element>
__global__ void query_gradient(AttentionArrays<Element> arrays, Element* dq) {
  __shared__ TileStage staged;
  __shared__ SharedTile shared;
  const OutputTile at(arrays.seq, arrays.heads);
  const BackwardHead<Element> head(arrays, at.item, at.head);
  Tile sums;
  for (int64_t key = 0; key <= at.row; key += kTileSide) {
    Tile p, ds;
    score_gradients(p, ds, staged, head, at.row, key);
    share(shared, ds);
    add_product(sums, staged, TileRows{shared}, head.k.columns(key, at.column), kTileSide);
  }
  write(sums, dq, at, arrays);
}

// dv = p^T dout and dk = ds^T q, over the query heads of the group one after the other.
template <typename Element>
__global__ void key_value_gradients(AttentionArrays<Element> arrays, Element* dk, Element* dv) {
  __shared__ TileStage staged;
  __shared__ SharedTile shared;
  const OutputTile at(arrays.seq, arrays.kv_heads);
  const int64_t group = arrays.heads / arrays.kv_heads;
  Tile dk_sums, dv_sums;
  for (int64_t member = 0; member < group; ++member) {
    const BackwardHead<Element> head(arrays, at.item, at.head * group + member);
    for (int64_t query = at.row; query < arrays.seq; query += kTileSide) {
      Tile p, ds;
      score_gradients(p, ds, staged, head, query, at.row);
      share(shared, p);
      add_product(dv_sums, staged, TileColumns{shared}, head.dout.columns(query, at.column), kTileSide);
      share(shared, ds);
      add_product(dk_sums, staged, TileColumns{shared}, head.q.columns(query, at.column), kTileSide);
    }
  }
  write(dk_sums, dk, at, arrays);
  write(dv_sums, dv, at, arrays);
}

}  // namespace

template <typename Element>
void plain_attention_backward(const Element* dout, const Element* turned, const Element* qkv, const Element* out,
                              const float* saved, Element* dqkv, float* row_sums, const AttentionShape& s,
                              Stream stream) {
  if (s.tokens() == 0) return;
  AttentionArrays<Element> arrays = attention_arrays(turned, qkv, s);
  arrays.dout = dout;
  arrays.saved = saved;
  arrays.row_sums = row_sums;
  const auto warps = static_cast<unsigned>((s.tokens() * s.heads * kWarp + kThreads - 1) / kThreads);
  launch_kernel(sum_rows<Element>, warps, kThreads, stream, dout, out, row_sums, s.tokens(), s.seq, s.heads,
                s.head_dim);
  launch_kernel(query_gradient<Element>, attention_grid(s, s.heads), kThreads, stream, arrays, dqkv);
  launch_kernel(key_value_gradients<Element>, attention_grid(s, s.kv_heads), kThreads, stream, arrays,
                dqkv + s.k_column(), dqkv + s.v_column());
}

template void plain_attention_backward(const float*, const float*, const float*, const float*, const float*, float*,
                                       float*, const AttentionShape&, Stream);
template void plain_attention_backward(const BFloat16*, const BFloat16*, const BFloat16*, const BFloat16*, const float*,
                                       BFloat16*, float*, const AttentionShape&, Stream);

}  // namespace moesaic::executor::cuda
