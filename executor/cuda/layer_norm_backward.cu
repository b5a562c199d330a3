// The gradient of layer and RMS normalisation. With n = (x - mean) * inverse_std and g = dy * gain:
// dx = inverse_std * (g - mean(g) - n * mean(g n)); dgain = sum over rows of dy n; dbias = sum over rows of dy.
// RMS: without mean(g) and dbias.
// One pass over dy and x: each block takes every gridDim.x-th row and keeps its sums over them, which a second kernel
// adds up. The number of blocks depends on shapes alone, so the order of the sums does too.
#include "executor/cuda/block_sum.cuh"
#include "executor/cuda/column_sums.cuh"
#include "executor/cuda/launch_kernel.cuh"
#include "executor/cuda/layer_norm.h"
#include "executor/cuda/row_vectors.cuh"

namespace moesaic::executor::cuda {
namespace {

constexpr int kItems = 4;             // vectors of a row per thread
constexpr int kResident = 132 * 512;  // threads: 128 registers each on an H100 with 132 multiprocessors

template <int kRowThreads>
unsigned gradient_blocks(int64_t m) {
  return static_cast<unsigned>(std::min<int64_t>(m, kResident / kRowThreads));
}

/// What the row's gradient needs beside its elements.
struct RowTerms {
  float mean, inverse_std, g_mean, gn_mean;

  __device__ float normalised(float x) const { return (x - mean) * inverse_std; }
  __device__ float gradient(float dy, float x, float gain) const {
    return inverse_std * (dy * gain - g_mean - normalised(x) * gn_mean);
  }
};

template <int kCount>
__device__ void write(const float (&values)[kCount], float* to) {
  for (int i = 0; i < kCount; i += 4)
    *vectors(to + i) = Vector<float>{{values[i], values[i + 1], values[i + 2], values[i + 3]}};
}

/// sums [blocks, 2, h], RMS: [blocks, h], are overwritten.
template <typename Element, int kRowThreads, bool kRms>
__global__ void __launch_bounds__(kRowThreads)
    row_gradients(const Element* dy, const Element* x, const float* stats, const Element* gain, Element* dx,
                  float* sums, int64_t m, int h) {
  constexpr int kElements = Vector<Element>::kElements;
  const int count = h / kElements;
  float gain_sums[kItems][kElements] = {}, bias_sums[kItems][kElements] = {};
  for (int64_t row = blockIdx.x; row < m; row += gridDim.x) {
    HeldRow<Element, kRowThreads, kItems> d, in;
    d.read(dy + row * h, count);
    in.read(x + row * h, count);
    RowTerms terms{stats[2 * row], stats[2 * row + 1], 0.0f, 0.0f};
    float totals[2] = {0.0f, 0.0f};
    for (int i = 0; i < kItems; ++i) {
      if (d.at(i) >= count) continue;
      const Vector<Element> gains = vectors(gain)[d.at(i)];
      for (int e = 0; e < kElements; ++e) {
        const float di = load(d.item[i].element[e]), normalised = terms.normalised(load(in.item[i].element[e]));
        totals[0] += di * load(gains.element[e]);
        totals[1] += di * load(gains.element[e]) * normalised;
        gain_sums[i][e] += di * normalised;
        bias_sums[i][e] += di;
      }
    }
    block_sums<kRowThreads>(totals);
    if (!kRms) terms.g_mean = totals[0] / static_cast<float>(h);
    terms.gn_mean = totals[1] / static_cast<float>(h);
    for (int i = 0; i < kItems; ++i) {
      if (d.at(i) >= count) continue;
      const Vector<Element> gains = vectors(gain)[d.at(i)];
      Vector<Element> result;
      for (int e = 0; e < kElements; ++e)
        result.element[e] = store<Element>(
            terms.gradient(load(d.item[i].element[e]), load(in.item[i].element[e]), load(gains.element[e])));
      vectors(dx + row * h)[d.at(i)] = result;
    }
  }
  sums += static_cast<int64_t>(blockIdx.x) * (kRms ? 1 : 2) * h;
  for (int i = 0; i < kItems; ++i) {
    const int at = HeldRow<Element, kRowThreads, kItems>::at(i);
    if (at >= count) continue;
    write(gain_sums[i], sums + at * kElements);
    if (!kRms) write(bias_sums[i], sums + h + at * kElements);
  }
}

/// Rows of any length at any address; sums as above. A thread's columns are the same in every row.
template <typename Element, bool kRms>
__global__ void row_gradients_any(const Element* dy, const Element* x, const float* stats, const Element* gain,
                                  Element* dx, float* sums, int64_t m, int64_t h) {
  sums += static_cast<int64_t>(blockIdx.x) * (kRms ? 1 : 2) * h;
  for (int64_t j = threadIdx.x; j < h; j += kThreads) {
    sums[j] = 0.0f;
    if (!kRms) sums[h + j] = 0.0f;
  }
  for (int64_t row = blockIdx.x; row < m; row += gridDim.x) {
    RowTerms terms{stats[2 * row], stats[2 * row + 1], 0.0f, 0.0f};
    float totals[2] = {0.0f, 0.0f};
    for (int64_t j = threadIdx.x; j < h; j += kThreads) {
      const float d = load(dy[row * h + j]), normalised = terms.normalised(load(x[row * h + j]));
      totals[0] += d * load(gain[j]);
      totals[1] += d * load(gain[j]) * normalised;
      sums[j] += d * normalised;
      if (!kRms) sums[h + j] += d;
    }
    block_sums<kThreads>(totals);
    if (!kRms) terms.g_mean = totals[0] / static_cast<float>(h);
    terms.gn_mean = totals[1] / static_cast<float>(h);
    for (int64_t j = threadIdx.x; j < h; j += kThreads)
      dx[row * h + j] = store<Element>(terms.gradient(load(dy[row * h + j]), load(x[row * h + j]), load(gain[j])));
  }
}

template <typename Element, bool kRms>
void launch_backward(const Element* dy, const Element* x, const float* stats, const Element* gain_bias, Element* dx,
                     Element* dgain_bias, int64_t m, int64_t h, StreamScratch& scratch, Stream stream) {
  const int64_t columns = (kRms ? 1 : 2) * h;
  const auto launch = [&](auto kernel, unsigned blocks, int threads) {
    auto* sums = static_cast<float*>(
        scratch.get(stream, Scratch::column_sums, blocks * columns * static_cast<Bytes>(sizeof(float))));
    launch_kernel(kernel, blocks, threads, stream, dy, x, stats, gain_bias, dx, sums, m, h);
    add_column_sums(sums, dgain_bias, static_cast<int>(blocks), columns, stream);
  };
  const int64_t threads = threads_to_hold<Element>(h, kItems);
  if (!rows_of_vectors(h, dy, x, gain_bias, dx) || threads > 512)
    return launch(row_gradients_any<Element, kRms>, gradient_blocks<kThreads>(m), kThreads);
  if (threads <= 64) return launch(row_gradients<Element, 64, kRms>, gradient_blocks<64>(m), 64);
  if (threads <= 128) return launch(row_gradients<Element, 128, kRms>, gradient_blocks<128>(m), 128);
  if (threads <= 256) return launch(row_gradients<Element, 256, kRms>, gradient_blocks<256>(m), 256);
  launch(row_gradients<Element, 512, kRms>, gradient_blocks<512>(m), 512);
}

}  // namespace

template <typename Element>
void layer_norm_backward(const Element* dy, const Element* x, const float* stats, const Element* gain_bias, Element* dx,
                         Element* dgain_bias, int64_t m, int64_t h, StreamScratch& scratch, Stream stream, bool rms) {
  if (m == 0 || h == 0) return;
  const auto backward = rms ? launch_backward<Element, true> : launch_backward<Element, false>;
  backward(dy, x, stats, gain_bias, dx, dgain_bias, m, h, scratch, stream);
}

template void layer_norm_backward(const float*, const float*, const float*, const float*, float*, float*, int64_t,
                                  int64_t, StreamScratch&, Stream, bool);
template void layer_norm_backward(const BFloat16*, const BFloat16*, const float*, const BFloat16*, BFloat16*, BFloat16*,
                                  int64_t, int64_t, StreamScratch&, Stream, bool);

}  // namespace moesaic::executor::cuda
