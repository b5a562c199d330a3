// Two passes over a row by one block: a running maximum and sum of exponentials, then the gradient. The second pass
// finds the row in the caches: few large blocks, so that the rows of all of them fit into the L2 (50 MiB on H100).
#include <cfloat>

#include "executor/cuda/block_sum.cuh"
#include "executor/cuda/cross_entropy.h"
#include "executor/cuda/launch_kernel.cuh"
#include "executor/cuda/row_vectors.cuh"

namespace moesaic::executor::cuda {
namespace {

constexpr float kLog2E = 1.44269504088896341f;
constexpr int64_t kSmallVocabulary = 8192;  // up to here 1024 threads would have at most one vector each
constexpr int kBatch = 4;                   // vectors of a thread that are under way at once

__device__ float exponential(float x) { return exp2f(x * kLog2E); }

/// The sum of e^(x - max) over the values seen so far. It begins with the lowest number, not -inf, whose difference to
/// a logit of -inf would be no number; NaN is passed over by the maximum and shows in the sum.
struct RunningSum {
  float max = -FLT_MAX, sum = 0.0f;

  __device__ void raise(float value) {
    if (!(value > max)) return;
    sum *= exponential(max - value);
    max = value;
  }
  __device__ void add(float value) { sum += exponential(value - max); }
};

/// Calls use(Word, index of the first element, number of words) for the stretches of a row: single elements up to a
/// 16-byte boundary, where rows of odd length do not begin, then vectors, then what is left.
template <typename Element, typename Use>
__device__ void for_each_stretch(const Element* row, int64_t v, bool as_vectors, Use use) {
  constexpr int kElements = Vector<Element>::kElements;
  const auto beyond = static_cast<int64_t>(reinterpret_cast<uintptr_t>(row) / sizeof(Element) % kElements);
  const int64_t to_boundary = as_vectors ? (kElements - beyond) % kElements : v;
  const int64_t head = to_boundary < v ? to_boundary : v, count = (v - head) / kElements;
  const int64_t behind = head + count * kElements;
  use(Single<Element>{}, 0, head);
  use(Vector<Element>{}, head, count);
  use(Single<Element>{}, behind, v - behind);
}

/// Calls use(index, word) for a thread's words of an array, of which kBatch are read at a time.
template <int kRowThreads, typename Word, typename Use>
__device__ void for_each_word(const Word* words, int64_t count, Use use) {
  for (int64_t first = threadIdx.x; first < count; first += kBatch * kRowThreads) {
    Word batch[kBatch];
    for (int i = 0; i < kBatch; ++i)
      if (first + i * kRowThreads < count) batch[i] = words[first + i * kRowThreads];
    for (int i = 0; i < kBatch; ++i)
      if (first + i * kRowThreads < count) use(first + i * kRowThreads, batch[i]);
  }
}

template <int kRowThreads, typename Element>
__device__ RunningSum exponentials(const Element* row, int64_t v, bool as_vectors) {
  RunningSum running;
  for_each_stretch(row, v, as_vectors, [&]<typename Word>(Word, int64_t first, int64_t count) {
    for_each_word<kRowThreads>(reinterpret_cast<const Word*>(row + first), count, [&](int64_t, const Word& word) {
      float largest = -FLT_MAX;
      for (Element value : word.element) largest = fmaxf(largest, load(value));
      running.raise(largest);
      for (Element value : word.element) running.add(load(value));
    });
  });
  return running;
}

/// out = scale * (e^(in - max) / sum - onehot(target))
template <int kRowThreads, typename Element>
__device__ void write_gradient(const Element* in, Element* out, int64_t v, int64_t target, const RunningSum& row,
                               float scale, bool as_vectors) {
  const float factor = scale / row.sum;
  for_each_stretch(in, v, as_vectors, [&]<typename Word>(Word, int64_t first, int64_t count) {
    auto* to = reinterpret_cast<Word*>(out + first);
    for_each_word<kRowThreads>(reinterpret_cast<const Word*>(in + first), count, [&](int64_t i, const Word& word) {
      const int64_t own = target - first - i * Word::kElements;  // the target's element, if it is one of these
      Word gradient;
      for (int e = 0; e < Word::kElements; ++e)
        gradient.element[e] =
            store<Element>(factor * exponential(load(word.element[e]) - row.max) - (e == own ? scale : 0.0f));
      to[i] = gradient;
    });
  });
}

template <typename Element, int kRowThreads>
__global__ void __launch_bounds__(kRowThreads)
    row_loss(const Element* logits, const int32_t* targets, Element* dlogits, double* losses, int64_t m, int64_t v,
             float scale, bool as_vectors) {
  for (int64_t row = blockIdx.x; row < m; row += gridDim.x) {
    const Element* in = logits + row * v;
    const float target_logit = load(in[targets[row]]);  // read before dlogits, which may be logits, is written
    const RunningSum own = exponentials<kRowThreads>(in, v, as_vectors);
    RunningSum all;
    all.max = block_max<kRowThreads>(own.max);
    all.sum = block_sum<kRowThreads>(own.sum * exponential(own.max - all.max));
    write_gradient<kRowThreads>(in, dlogits + row * v, v, targets[row], all, scale, as_vectors);
    if (threadIdx.x == 0)
      losses[row] =
          log(static_cast<double>(all.sum)) - (static_cast<double>(target_logit) - static_cast<double>(all.max));
  }
}

/// One block: thread t sums the rows t, t + kThreads, ..., and the threads are folded in halves.
__global__ void add_losses(const double* losses, double* loss, int64_t m, double scale) {
  __shared__ double of_thread[kThreads];
  double sum = 0.0;
  for (int64_t row = threadIdx.x; row < m; row += kThreads) sum += losses[row];
  of_thread[threadIdx.x] = sum;
  for (int width = kThreads / 2; width > 0; width /= 2) {
    __syncthreads();
    if (threadIdx.x < width) of_thread[threadIdx.x] += of_thread[threadIdx.x + width];
  }
  if (threadIdx.x == 0) *loss += scale * of_thread[0];
}

}  // namespace

template <typename Element>
void cross_entropy(const Element* logits, const int32_t* targets, Element* dlogits, double* loss, int64_t m, int64_t v,
                   double scale, StreamScratch& scratch, Stream stream) {
  if (m == 0) return;
  auto* losses = static_cast<double*>(scratch.get(stream, Scratch::row_losses, m * static_cast<Bytes>(sizeof(double))));
  const auto address = [](const void* data) { return reinterpret_cast<uintptr_t>(data); };
  const bool as_vectors = (address(logits) - address(dlogits)) % sizeof(Vector<Element>) == 0;
  const auto launch = [&]<int kRowThreads>() {
    launch_kernel(row_loss<Element, kRowThreads>, row_blocks<kRowThreads>(m), kRowThreads, stream, logits, targets,
                  dlogits, losses, m, v, scale, as_vectors);
  };
  v <= kSmallVocabulary ? launch.template operator()<256>() : launch.template operator()<1024>();
  launch_kernel(add_losses, 1, kThreads, stream, losses, loss, m, scale);
}

template void cross_entropy(const float*, const int32_t*, float*, double*, int64_t, int64_t, double, StreamScratch&,
                            Stream);
template void cross_entropy(const BFloat16*, const int32_t*, BFloat16*, double*, int64_t, int64_t, double,
                            StreamScratch&, Stream);

}  // namespace moesaic::executor::cuda
