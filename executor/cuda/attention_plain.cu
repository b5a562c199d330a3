#include "executor/cuda/attention_heads.cuh"
#include "executor/cuda/attention_plain.h"
#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {
namespace {

/// One step of a softmax that meets its row tile by tile: scores become exp(score - max) under the row's new maximum,
/// what was summed before is scaled down to it. Masks what lies in the future.
struct RunningSoftmax {
  float max[kTileSteps], sum[kTileSteps];

  __device__ RunningSoftmax() {
    for (int i = 0; i < kTileSteps; ++i) max[i] = -INFINITY, sum[i] = 0.0f;
  }
  __device__ void step(Tile& scores, Tile& out, int64_t row, int64_t key, float scale) {
    for (int i = 0; i < kTileSteps; ++i) {
      float largest = max[i], added = 0.0f;
      for (int j = 0; j < kTileSteps; ++j) {
        const bool seen = key + Tile::column(j) <= row + Tile::row(i);
        scores.at[i][j] = seen ? scores.at[i][j] * scale : -INFINITY;
        largest = fmaxf(largest, scores.at[i][j]);
      }
      largest = over_row(largest, [](float a, float b) { return fmaxf(a, b); });
      for (int j = 0; j < kTileSteps; ++j) added += scores.at[i][j] = expf(scores.at[i][j] - largest);
      added = over_row(added, [](float a, float b) { return a + b; });
      const float factor = expf(max[i] - largest);
      for (int j = 0; j < kTileSteps; ++j) out.at[i][j] *= factor;
      sum[i] = sum[i] * factor + added;
      max[i] = largest;
    }
  }
};

template <typename Element>
__global__ void attend(AttentionArrays<Element> arrays, Element* out, float* saved) {
  __shared__ TileStage staged;
  __shared__ SharedTile probabilities;
  const OutputTile at(arrays.seq, arrays.heads);
  const Head<Element> head(arrays, at.item, at.head);
  Tile sums;
  RunningSoftmax softmax;
  for (int64_t key = 0; key <= at.row; key += kTileSide) {
    Tile scores;
    add_product(scores, staged, head.q.rows(at.row), head.k.rows(key), arrays.head_dim);
    softmax.step(scores, sums, at.row, key, arrays.scale);
    share(probabilities, scores);
    add_product(sums, staged, TileRows{probabilities}, head.v.columns(key, at.column), kTileSide);
  }
  for (int i = 0; i < kTileSteps; ++i) {
    const int64_t token = at.row + Tile::row(i);
    if (token >= arrays.seq) continue;
    Element* row = out + (at.item * arrays.seq + token) * arrays.out_stride + at.head * arrays.head_dim;
    for (int j = 0; j < kTileSteps; ++j)
      if (at.column + Tile::column(j) < arrays.head_dim)
        row[at.column + Tile::column(j)] = store<Element>(sums.at[i][j] / softmax.sum[i]);
    if (at.column == 0 && Tile::column(0) == 0)
      saved[(at.item * arrays.heads + at.head) * arrays.seq + token] = softmax.max[i] + logf(softmax.sum[i]);
  }
}

}  // namespace

template <typename Element>
void plain_attention_forward(const Element* turned, const Element* qkv, Element* out, float* saved,
                             const AttentionShape& s, Stream stream) {
  if (s.tokens() == 0) return;
  launch_kernel(attend<Element>, attention_grid(s, s.heads), kThreads, stream, attention_arrays(turned, qkv, s), out,
                saved);
}

template void plain_attention_forward(const float*, const float*, float*, float*, const AttentionShape&, Stream);
template void plain_attention_forward(const BFloat16*, const BFloat16*, BFloat16*, float*, const AttentionShape&,
                                      Stream);

}  // namespace moesaic::executor::cuda
