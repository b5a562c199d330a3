#pragma once
// y[i] = f(a[i], ...) over one or two arrays, in 16-byte vectors where the pointers allow it; y may be an input.
// It does not reduce.

#include "executor/cuda/element.cuh"
#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {

template <typename Element, int kInputs>
struct MapInputs {
  const Element* data[kInputs];
};

template <typename F, typename Element>
__device__ Element mapped(const F& f, const Element (&x)[1]) {
  return store<Element>(f(load(x[0])));
}
template <typename F, typename Element>
__device__ Element mapped(const F& f, const Element (&x)[2]) {
  return store<Element>(f(load(x[0]), load(x[1])));
}

constexpr int kMapVectors =
    2;  // per thread and input: 64 KiB of an SM's reads are under way, the latency times the rate

/// A block covers kMapVectors * kThreads of the `whole` vectors; the grid strides over the elements behind them.
template <typename Element, int kInputs, typename F>
__global__ void map_kernel(MapInputs<Element, kInputs> in, Element* y, int64_t whole, int64_t n, F f) {
  constexpr int kElements = Vector<Element>::kElements;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kMapVectors * kThreads + threadIdx.x;
  Vector<Element> x[kMapVectors][kInputs];
  for (int v = 0; v < kMapVectors; ++v)
    for (int i = 0; i < kInputs; ++i)
      if (first + v * kThreads < whole) x[v][i] = vectors(in.data[i])[first + v * kThreads];
  for (int v = 0; v < kMapVectors; ++v) {
    if (first + v * kThreads >= whole) break;
    Vector<Element> result;
    for (int e = 0; e < kElements; ++e) {
      Element arguments[kInputs];
      for (int i = 0; i < kInputs; ++i) arguments[i] = x[v][i].element[e];
      result.element[e] = mapped(f, arguments);
    }
    vectors(y)[first + v * kThreads] = result;
  }
  for (int64_t at = kElements * whole + first_item(); at < n; at += item_stride()) {
    Element arguments[kInputs];
    for (int i = 0; i < kInputs; ++i) arguments[i] = in.data[i][at];
    y[at] = mapped(f, arguments);
  }
}

template <typename F, typename Element, typename... More>
void map_elements(F f, Element* y, int64_t n, Stream stream, const Element* a, const More*... more) {
  if (n == 0) return;
  const int64_t whole = aligned_for_vectors(y, a, more...) ? n / Vector<Element>::kElements : 0;
  constexpr int64_t kTile = kMapVectors * kThreads;
  const unsigned blocks = whole > 0 ? static_cast<unsigned>((whole + kTile - 1) / kTile) : blocks_for(n);
  launch_kernel(map_kernel<Element, 1 + sizeof...(more), F>, blocks, kThreads, stream,
                MapInputs<Element, 1 + sizeof...(more)>{{a, more...}}, y, whole, n, f);
}

}  // namespace moesaic::executor::cuda
