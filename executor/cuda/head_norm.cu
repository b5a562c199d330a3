// One block per row at a time, in which each warp takes every eighth part: a head, or all heads of queries or keys.
// Gains' gradients are summed column by column, a thread each, over the rows and heads that share a gain.
#include <algorithm>

#include "executor/cuda/column_sums.cuh"
#include "executor/cuda/element.cuh"
#include "executor/cuda/head_norm.h"
#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {
namespace {

constexpr int kWarps = 8, kBlockThreads = 32 * kWarps;
constexpr int64_t kMostBlocks = 132 * 8;  // eight for each multiprocessor of an H100

struct Layout {
  int64_t m;
  int head_dim, heads, kv_heads;
  bool whole;

  __device__ int64_t columns() const { return static_cast<int64_t>(heads + 2 * kv_heads) * head_dim; }
  __device__ int normed_columns() const { return (heads + kv_heads) * head_dim; }
  __device__ int parts() const { return whole ? 2 : heads + kv_heads; }
  __device__ int begin(int part) const { return whole ? part * heads * head_dim : part * head_dim; }
  __device__ int width(int part) const { return !whole ? head_dim : (part == 0 ? heads : kv_heads) * head_dim; }
  __device__ int gain(int part) const { return whole ? begin(part) : (part < heads ? 0 : head_dim); }
};

__device__ float warp_total(float sum) {
  for (int width = 16; width > 0; width /= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, width);
  return sum;
}

/// A row's mean over all ranks; `own`: the sum over what this rank has of it.
__device__ float mean_of(float own, const Layout& l, int part, int64_t row, RankSums of_ranks) {
  const auto width = static_cast<float>(l.width(part));
  if (of_ranks.sums == nullptr) return own / width;
  float sum = 0.0f;
  for (int64_t rank = 0; rank < of_ranks.ranks; ++rank) sum += of_ranks.sums[(rank * l.m + row) * 2 + part];
  return sum / (width * static_cast<float>(of_ranks.ranks));
}

/// Over a part of a row, known to all lanes of the warp.
template <typename Element>
__device__ float sum_of_squares(const Element* x, int width) {
  float sum = 0.0f;
  for (int j = threadIdx.x % 32; j < width; j += 32) sum += load(x[j]) * load(x[j]);
  return warp_total(sum);
}
template <typename Element>
__device__ float sum_of_products(const Element* dy, const Element* gain, const Element* x, int width) {
  float sum = 0.0f;
  for (int j = threadIdx.x % 32; j < width; j += 32) sum += load(dy[j]) * load(gain[j]) * load(x[j]);
  return warp_total(sum);
}

template <typename Element>
__global__ void row_sums(const Element* qkv, const Element* dy, const Element* gain, float* sums, Layout l) {
  for (int64_t row = blockIdx.x; row < l.m; row += gridDim.x)
    for (int part = threadIdx.x / 32; part < l.parts(); part += kWarps) {
      const int64_t at = row * l.columns() + l.begin(part);
      const float sum = dy == nullptr ? sum_of_squares(qkv + at, l.width(part))
                                      : sum_of_products(dy + at, gain + l.gain(part), qkv + at, l.width(part));
      if (threadIdx.x % 32 == 0) sums[row * 2 + part] = sum;
    }
}

template <typename Element>
__device__ void copy_values(const Element* from, Element* to, const Layout& l) {
  for (int64_t j = l.normed_columns() + threadIdx.x; j < l.columns(); j += kBlockThreads) to[j] = from[j];
}

template <typename Element>
__global__ void normalise_heads(const Element* qkv, const Element* gain, Element* y, float* statistics, Layout l,
                                float epsilon, RankSums of_ranks) {
  for (int64_t row = blockIdx.x; row < l.m; row += gridDim.x) {
    const Element* in = qkv + row * l.columns();
    Element* out = y + row * l.columns();
    for (int part = threadIdx.x / 32; part < l.parts(); part += kWarps) {
      const int begin = l.begin(part), width = l.width(part);
      const float own = of_ranks.sums == nullptr ? sum_of_squares(in + begin, width) : 0.0f;
      const float r = 1.0f / sqrtf(mean_of(own, l, part, row, of_ranks) + epsilon);
      for (int j = threadIdx.x % 32; j < width; j += 32)
        out[begin + j] = store<Element>(load(in[begin + j]) * r * load(gain[l.gain(part) + j]));
      if (threadIdx.x % 32 == 0) statistics[row * l.parts() + part] = r;
    }
    copy_values(in, out, l);
  }
}

template <typename Element>
__global__ void row_gradients(const Element* dy, const Element* qkv, const float* statistics, const Element* gain,
                              Element* dqkv, Layout l, RankSums of_ranks) {
  for (int64_t row = blockIdx.x; row < l.m; row += gridDim.x) {
    const Element *in = qkv + row * l.columns(), *d = dy + row * l.columns();
    Element* out = dqkv + row * l.columns();
    for (int part = threadIdx.x / 32; part < l.parts(); part += kWarps) {
      const int begin = l.begin(part), width = l.width(part);
      const Element* gains = gain + l.gain(part);
      const float own = of_ranks.sums == nullptr ? sum_of_products(d + begin, gains, in + begin, width) : 0.0f;
      const float r = statistics[row * l.parts() + part], mean = mean_of(own, l, part, row, of_ranks) * r;
      for (int j = threadIdx.x % 32; j < width; j += 32)
        out[begin + j] = store<Element>(r * (load(d[begin + j]) * load(gains[j]) - load(in[begin + j]) * r * mean));
    }
    copy_values(d, out, l);
  }
}

/// sums [blocks, gains]: each block's over every gridDim.x-th row. blockIdx.y: which gains.
template <typename Element>
__global__ void gain_gradients(const Element* dy, const Element* qkv, const float* statistics, float* sums, Layout l,
                               int gains) {
  const int column = static_cast<int>(blockIdx.y) * kBlockThreads + static_cast<int>(threadIdx.x);
  if (column >= gains) return;
  const int first_of_keys = l.whole ? l.heads * l.head_dim : l.head_dim;
  const bool of_keys = column >= first_of_keys;
  const int first_part = l.whole ? of_keys : (of_keys ? l.heads : 0);
  const int end_part = l.whole ? first_part + 1 : (of_keys ? l.parts() : l.heads);
  const int in_part = column - (of_keys ? first_of_keys : 0);
  float sum = 0.0f;
  for (int64_t row = blockIdx.x; row < l.m; row += gridDim.x)
    for (int part = first_part; part < end_part; ++part) {
      const int64_t at = row * l.columns() + l.begin(part) + in_part;
      sum += load(dy[at]) * (load(qkv[at]) * statistics[row * l.parts() + part]);
    }
  sums[static_cast<int64_t>(blockIdx.x) * gains + column] = sum;
}

Layout layout_of(const HeadNormShape& s) {
  return {s.m, static_cast<int>(s.head_dim), static_cast<int>(s.heads), static_cast<int>(s.kv_heads), s.whole};
}
unsigned blocks_of(int64_t rows) { return static_cast<unsigned>(std::min(rows, kMostBlocks)); }

}  // namespace

template <typename Element>
void head_sums(const Element* qkv, const Element* dy, const Element* gain, float* sums, const HeadNormShape& s,
               Stream stream) {
  if (s.m == 0) return;
  launch_kernel(row_sums<Element>, blocks_of(s.m), kBlockThreads, stream, qkv, dy, gain, sums, layout_of(s));
}

template <typename Element>
void head_norm_forward(const Element* qkv, const Element* gain, Element* y, float* statistics, const HeadNormShape& s,
                       float epsilon, RankSums of_ranks, Stream stream) {
  if (s.m == 0) return;
  launch_kernel(normalise_heads<Element>, blocks_of(s.m), kBlockThreads, stream, qkv, gain, y, statistics, layout_of(s),
                epsilon, of_ranks);
}

template <typename Element>
void head_norm_backward(const Element* dy, const Element* qkv, const float* statistics, const Element* gain,
                        Element* dqkv, Element* dgain, const HeadNormShape& s, RankSums of_ranks,
                        StreamScratch& scratch, Stream stream) {
  if (s.m == 0) return;
  const Layout l = layout_of(s);
  const unsigned blocks = blocks_of(s.m);
  launch_kernel(row_gradients<Element>, blocks, kBlockThreads, stream, dy, qkv, statistics, gain, dqkv, l, of_ranks);
  const auto gains = static_cast<int>((s.whole ? s.heads + s.kv_heads : 2) * s.head_dim);
  auto* sums = static_cast<float*>(
      scratch.get(stream, Scratch::column_sums, int64_t{blocks} * gains * static_cast<Bytes>(sizeof(float))));
  const dim3 grid(blocks, static_cast<unsigned>((gains + kBlockThreads - 1) / kBlockThreads));
  launch_kernel(gain_gradients<Element>, grid, kBlockThreads, stream, dy, qkv, statistics, sums, l, gains);
  add_column_sums(sums, dgain, static_cast<int>(blocks), gains, stream);
}

#define MOESAIC_HEAD_NORM(Element)                                                                                   \
  template void head_sums(const Element*, const Element*, const Element*, float*, const HeadNormShape&, Stream);     \
  template void head_norm_forward(const Element*, const Element*, Element*, float*, const HeadNormShape&, float,     \
                                  RankSums, Stream);                                                                 \
  template void head_norm_backward(const Element*, const Element*, const float*, const Element*, Element*, Element*, \
                                   const HeadNormShape&, RankSums, StreamScratch&, Stream);
MOESAIC_HEAD_NORM(float)
MOESAIC_HEAD_NORM(BFloat16)
#undef MOESAIC_HEAD_NORM

}  // namespace moesaic::executor::cuda
