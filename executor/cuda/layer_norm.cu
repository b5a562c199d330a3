// The forward pass. One block per row at a time; a row of whole vectors is read once and stays in registers.
#include "executor/cuda/block_sum.cuh"
#include "executor/cuda/launch_kernel.cuh"
#include "executor/cuda/layer_norm.h"
#include "executor/cuda/row_vectors.cuh"

namespace moesaic::executor::cuda {
namespace {

constexpr int kItems = 8;  // vectors of a row per thread: 32 registers

template <typename Element, int kRowThreads, bool kRms>
__global__ void __launch_bounds__(kRowThreads)
    normalise(const Element* x, const Element* gain_bias, Element* y, float* stats, int64_t m, int h, float epsilon) {
  constexpr int kElements = Vector<Element>::kElements;
  const int count = h / kElements;
  const auto width = static_cast<float>(h);
  for (int64_t row = blockIdx.x; row < m; row += gridDim.x) {
    HeldRow<Element, kRowThreads, kItems> held;
    held.read(x + row * h, count);
    float sum = 0.0f, squares = 0.0f;
    for (int i = 0; i < kItems; ++i)
      if (held.at(i) < count)
        for (Element value : held.item[i].element) sum += load(value);
    const float mean = kRms ? 0.0f : block_sum<kRowThreads>(sum) / width;
    for (int i = 0; i < kItems; ++i)
      if (held.at(i) < count)
        for (Element value : held.item[i].element) squares += (load(value) - mean) * (load(value) - mean);
    const float inverse_std = 1.0f / sqrtf(block_sum<kRowThreads>(squares) / width + epsilon);
    for (int i = 0; i < kItems; ++i) {
      if (held.at(i) >= count) continue;
      const Vector<Element> gain = vectors(gain_bias)[held.at(i)];
      const Vector<Element> bias = kRms ? Vector<Element>{} : vectors(gain_bias + h)[held.at(i)];
      Vector<Element> result;
      for (int e = 0; e < kElements; ++e)
        result.element[e] = store<Element>(
            (load(held.item[i].element[e]) - mean) * inverse_std * load(gain.element[e]) + load(bias.element[e]));
      vectors(y + row * h)[held.at(i)] = result;
    }
    if (threadIdx.x == 0) stats[2 * row] = mean, stats[2 * row + 1] = inverse_std;
  }
}

/// Rows of any length at any address.
template <typename Element, bool kRms>
__global__ void normalise_any(const Element* x, const Element* gain_bias, Element* y, float* stats, int64_t m,
                              int64_t h, float epsilon) {
  const auto width = static_cast<float>(h);
  for (int64_t row = blockIdx.x; row < m; row += gridDim.x) {
    const Element* in = x + row * h;
    float sum = 0.0f, squares = 0.0f;
    for (int64_t j = threadIdx.x; j < h; j += kThreads) sum += load(in[j]);
    const float mean = kRms ? 0.0f : block_sum<kThreads>(sum) / width;
    for (int64_t j = threadIdx.x; j < h; j += kThreads) squares += (load(in[j]) - mean) * (load(in[j]) - mean);
    const float inverse_std = 1.0f / sqrtf(block_sum<kThreads>(squares) / width + epsilon);
    for (int64_t j = threadIdx.x; j < h; j += kThreads)
      y[row * h + j] = store<Element>((load(in[j]) - mean) * inverse_std * load(gain_bias[j]) +
                                      (kRms ? 0.0f : load(gain_bias[h + j])));
    if (threadIdx.x == 0) stats[2 * row] = mean, stats[2 * row + 1] = inverse_std;
  }
}

template <typename Element, bool kRms>
void launch_forward(const Element* x, const Element* gain_bias, Element* y, float* stats, int64_t m, int64_t h,
                    float epsilon, Stream stream) {
  const auto launch = [&]<int kRowThreads>() {
    launch_kernel(normalise<Element, kRowThreads, kRms>, row_blocks<kRowThreads>(m), kRowThreads, stream, x, gain_bias,
                  y, stats, m, h, epsilon);
  };
  const int64_t threads = threads_to_hold<Element>(h, kItems);
  if (!rows_of_vectors(h, x, gain_bias, y) || threads > 512)
    return launch_kernel(normalise_any<Element, kRms>, row_blocks<kThreads>(m), kThreads, stream, x, gain_bias, y,
                         stats, m, h, epsilon);
  if (threads <= 64) return launch.template operator()<64>();
  if (threads <= 128) return launch.template operator()<128>();
  if (threads <= 256) return launch.template operator()<256>();
  launch.template operator()<512>();
}

}  // namespace

template <typename Element>
void layer_norm_forward(const Element* x, const Element* gain_bias, Element* y, float* stats, int64_t m, int64_t h,
                        Stream stream, NormRule rule) {
  if (m == 0 || h == 0) return;
  const auto forward = rule.rms ? launch_forward<Element, true> : launch_forward<Element, false>;
  forward(x, gain_bias, y, stats, m, h, rule.epsilon, stream);
}

template void layer_norm_forward(const float*, const float*, float*, float*, int64_t, int64_t, Stream, NormRule);
template void layer_norm_forward(const BFloat16*, const BFloat16*, BFloat16*, float*, int64_t, int64_t, Stream,
                                 NormRule);

}  // namespace moesaic::executor::cuda
