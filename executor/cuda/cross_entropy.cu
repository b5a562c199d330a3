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

/// Where a row's vectors lie: rows of odd length begin between 16-byte boundaries.
struct RowParts {
  int64_t head, count;  // elements before the first boundary; whole vectors from there
};

template <typename Element>
__device__ RowParts parts_of(const Element* row, int64_t v, bool as_vectors) {
  if (!as_vectors) return {v, 0};
  const auto beyond = static_cast<int64_t>(reinterpret_cast<uintptr_t>(row) % sizeof(Vector<Element>));
  const int64_t head = beyond == 0 ? 0 : (static_cast<int64_t>(sizeof(Vector<Element>)) - beyond) / sizeof(Element);
  return head < v ? RowParts{head, (v - head) / Vector<Element>::kElements} : RowParts{v, 0};
}

/// Calls use(first index, pack) for the row's vectors, and for its other elements one by one.
template <int kRowThreads, typename Element, typename Use>
__device__ void for_each_pack(const Element* row, int64_t v, const RowParts& parts, Use use) {
  constexpr int kElements = Vector<Element>::kElements;
  for (int64_t first = threadIdx.x; first < parts.count; first += kBatch * kRowThreads) {
    Vector<Element> batch[kBatch];
    for (int i = 0; i < kBatch; ++i)
      if (first + i * kRowThreads < parts.count) batch[i] = vectors(row + parts.head)[first + i * kRowThreads];
    for (int i = 0; i < kBatch; ++i)
      if (first + i * kRowThreads < parts.count) use(parts.head + (first + i * kRowThreads) * kElements, batch[i]);
  }
  const int64_t behind = parts.head + parts.count * kElements;
  for (int64_t j = threadIdx.x; j < parts.head + v - behind; j += kRowThreads) {
    const int64_t at = j < parts.head ? j : behind + j - parts.head;
    use(at, Single<Element>{{row[at]}});
  }
}

template <typename Element, int kRowThreads>
__global__ void __launch_bounds__(kRowThreads)
    row_loss(const Element* logits, const int32_t* targets, Element* dlogits, double* losses, int64_t m, int64_t v,
             float scale, bool as_vectors) {
  for (int64_t row = blockIdx.x; row < m; row += gridDim.x) {
    const Element* in = logits + row * v;
    Element* out = dlogits + row * v;
    const int64_t target = targets[row];
    const float target_logit = load(in[target]);  // read before dlogits, which may be logits, is written
    const RowParts parts = parts_of(in, v, as_vectors);
    RunningSum running;
    for_each_pack<kRowThreads>(in, v, parts, [&](int64_t, const auto& pack) {
      float largest = -FLT_MAX;
      for (Element value : pack.element) largest = fmaxf(largest, load(value));
      running.raise(largest);
      for (Element value : pack.element) running.add(load(value));
    });
    const float max = block_max<kRowThreads>(running.max);
    const float sum = block_sum<kRowThreads>(running.sum * exponential(running.max - max));
    const float factor = scale / sum;
    for_each_pack<kRowThreads>(in, v, parts, [&](int64_t at, auto pack) {
      for (int e = 0; e < pack.kElements; ++e)
        pack.element[e] =
            store<Element>(factor * exponential(load(pack.element[e]) - max) - (at + e == target ? scale : 0.0f));
      *reinterpret_cast<decltype(pack)*>(out + at) = pack;
    });
    if (threadIdx.x == 0)
      losses[row] = log(static_cast<double>(sum)) - (static_cast<double>(target_logit) - static_cast<double>(max));
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
