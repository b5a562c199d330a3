#include "executor/cuda/permute.h"

#include "executor/cuda/element.cuh"
#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {
namespace {

constexpr int kRowThreads = 128;  // h = 1024 of BFloat16 is one 16-byte pack per thread
constexpr int kChoiceWarps = 8;

/// What a thread moves in one access: 16 bytes where width and pointers allow it, else one element.
template <typename T, int Size>
struct alignas(Size * sizeof(T)) Pack {
  using Element = T;
  static constexpr int kSize = Size;
  Element element[Size];
};

// Whether one of the rows before it is the same.
__device__ bool is_repeated(const int32_t* rows, int64_t i) {
  bool repeated = false;
  for (int64_t before = 0; before < i; ++before) repeated = repeated || rows[before] == rows[i];
  return repeated;
}

// One block per token. width: h in packs, here and below. kOnce: the token may name a row several times.
template <typename Pack, bool kOnce>
__global__ void scatter_rows(const Pack* z, const int32_t* rows, Pack* send, int64_t rows_per_token, int64_t width) {
  const int64_t token = blockIdx.x;
  rows += token * rows_per_token;
  for (int64_t j = threadIdx.x; j < width; j += kRowThreads) {
    const Pack value = z[token * width + j];
    for (int64_t i = 0; i < rows_per_token; ++i)
      if (const int64_t row = rows[i]; row >= 0 && !(kOnce && is_repeated(rows, i))) send[row * width + j] = value;
  }
}

__global__ void scatter_places(const int32_t* rows, const int32_t* places, int32_t* place_of_row, int64_t count) {
  for (int64_t i = first_item(); i < count; i += item_stride())
    if (rows[i] >= 0) place_of_row[rows[i]] = places[i];
}

// One block per token: base (null: 0) plus the token's rows, weighted unless weights is null.
template <typename Pack>
__global__ void gather_rows(const Pack* from, const int32_t* rows, const float* weights, const Pack* base, Pack* out,
                            int64_t rows_per_token, int64_t slices, int64_t width) {
  using Element = typename Pack::Element;
  const int64_t token = blockIdx.x;
  rows += token * rows_per_token;
  for (int64_t j = threadIdx.x; j < width; j += kRowThreads) {
    float sum[Pack::kSize] = {};
    if (base != nullptr) {
      const Pack value = base[token * width + j];
      for (int e = 0; e < Pack::kSize; ++e) sum[e] = load(value.element[e]);
    }
    for (int64_t i = 0; i < rows_per_token; ++i) {
      const int64_t row = rows[i];
      if (row < 0) continue;
      const Pack value = from[row * width + j];
      const float weight = weights == nullptr ? 1.0f : weights[(token * rows_per_token + i) / slices];
      for (int e = 0; e < Pack::kSize; ++e) sum[e] += weight * load(value.element[e]);
    }
    Pack rounded;
    for (int e = 0; e < Pack::kSize; ++e) rounded.element[e] = store<Element>(sum[e]);
    out[token * width + j] = rounded;
  }
}

// One row of a choice by one warp; returns the lane's part of dout . returned.
template <typename Pack>
__device__ float scatter_gradient_row(const Pack* dout, const Pack* returned, float weight, Pack* dreturned,
                                      int64_t width) {
  float dot = 0.0f;
  for (int64_t j = threadIdx.x % 32; j < width; j += 32) {
    const Pack d = dout[j], y = returned[j];
    Pack scaled;
    for (int e = 0; e < Pack::kSize; ++e) {
      dot += load(d.element[e]) * load(y.element[e]);
      scaled.element[e] = store<typename Pack::Element>(weight * load(d.element[e]));
    }
    dreturned[j] = scaled;
  }
  return dot;
}

// One warp per choice.
template <typename Pack>
__global__ void scatter_gradient(const Pack* dout, const Pack* returned, const int32_t* rows, const float* weights,
                                 Pack* dreturned, float* dweights, PermuteShape shape, int64_t width) {
  const int64_t choice = static_cast<int64_t>(blockIdx.x) * kChoiceWarps + threadIdx.x / 32;
  if (choice >= shape.m * shape.top_k) return;
  float dot = 0.0f;
  for (int64_t slice = 0; slice < shape.slices; ++slice) {
    const int64_t row = rows[choice * shape.slices + slice];
    if (row >= 0)
      dot += scatter_gradient_row(dout + choice / shape.top_k * width, returned + row * width, weights[choice],
                                  dreturned + row * width, width);
  }
  for (int lanes = 16; lanes > 0; lanes /= 2) dot += __shfl_xor_sync(0xFFFFFFFFu, dot, lanes);
  if (threadIdx.x % 32 == 0) dweights[choice] = dot;
}

/// Calls f with a pack, for its type alone.
template <typename Element, typename F, typename... Pointers>
void with_packs(int64_t h, const F& f, const Pointers*... rows) {
  constexpr int kWhole = 16 / static_cast<int>(sizeof(Element));
  if (h % kWhole == 0 && aligned_for_vectors(rows...)) return f(Pack<Element, kWhole>());
  f(Pack<Element, 1>());
}

template <typename Pack>
const Pack* packs(const typename Pack::Element* x) {
  return reinterpret_cast<const Pack*>(x);
}
template <typename Pack>
Pack* packs(typename Pack::Element* x) {
  return reinterpret_cast<Pack*>(x);
}

template <typename Element>
void gather(const Element* from, const int32_t* rows, const float* weights, const Element* base, Element* out,
            const PermuteShape& s, Stream stream) {
  if (s.m == 0 || s.h == 0) return;
  with_packs<Element>(
      s.h,
      [&](auto pack) {
        using P = decltype(pack);
        launch_kernel(gather_rows<P>, static_cast<unsigned>(s.m), kRowThreads, stream, packs<P>(from), rows, weights,
                      packs<P>(base), packs<P>(out), s.top_k * s.slices, s.slices, s.h / P::kSize);
      },
      from, base, out);
}

template <bool kOnce, typename Element>
void scatter(const Element* z, const int32_t* rows, Element* send, const PermuteShape& s, Stream stream) {
  if (s.m == 0 || s.h == 0) return;
  with_packs<Element>(
      s.h,
      [&](auto pack) {
        using P = decltype(pack);
        launch_kernel(scatter_rows<P, kOnce>, static_cast<unsigned>(s.m), kRowThreads, stream, packs<P>(z), rows,
                      packs<P>(send), s.top_k * s.slices, s.h / P::kSize);
      },
      z, send);
}

}  // namespace

template <typename Element>
void permute_forward(const Element* z, const int32_t* rows, Element* send, const PermuteShape& s, Stream stream) {
  scatter<false>(z, rows, send, s, stream);
}

template <typename Element>
void permute_once(const Element* z, const int32_t* rows, const int32_t* places, Element* send, int32_t* place_of_row,
                  const PermuteShape& s, Stream stream) {
  scatter<true>(z, places, send, s, stream);
  const int64_t count = s.m * s.top_k * s.slices;
  if (count > 0) launch_kernel(scatter_places, blocks_for(count), kThreads, stream, rows, places, place_of_row, count);
}

template <typename Element>
void permute_backward(const Element* dsend, const int32_t* rows, Element* dz, const PermuteShape& s, Stream stream) {
  gather<Element>(dsend, rows, nullptr, dz, dz, s, stream);
}

template <typename Element>
void unpermute_forward(const Element* returned, const int32_t* rows, const float* weights, const Element* residual,
                       Element* out, const PermuteShape& s, Stream stream) {
  gather<Element>(returned, rows, weights, residual, out, s, stream);
}

template <typename Element>
void unpermute_backward(const Element* dout, const Element* returned, const int32_t* rows, const float* weights,
                        Element* dreturned, float* dweights, const PermuteShape& s, Stream stream) {
  const int64_t choices = s.m * s.top_k;
  if (choices == 0) return;
  with_packs<Element>(
      s.h,
      [&](auto pack) {
        using P = decltype(pack);
        launch_kernel(scatter_gradient<P>, static_cast<unsigned>((choices + kChoiceWarps - 1) / kChoiceWarps),
                      kChoiceWarps * 32, stream, packs<P>(dout), packs<P>(returned), rows, weights, packs<P>(dreturned),
                      dweights, s, s.h / P::kSize);
      },
      dout, returned, dreturned);
}

#define MOESAIC_PERMUTE(Element)                                                                                      \
  template void permute_forward(const Element*, const int32_t*, Element*, const PermuteShape&, Stream);               \
  template void permute_once(const Element*, const int32_t*, const int32_t*, Element*, int32_t*, const PermuteShape&, \
                             Stream);                                                                                 \
  template void permute_backward(const Element*, const int32_t*, Element*, const PermuteShape&, Stream);              \
  template void unpermute_forward(const Element*, const int32_t*, const float*, const Element*, Element*,             \
                                  const PermuteShape&, Stream);                                                       \
  template void unpermute_backward(const Element*, const Element*, const int32_t*, const float*, Element*, float*,    \
                                   const PermuteShape&, Stream);
MOESAIC_PERMUTE(float)
MOESAIC_PERMUTE(BFloat16)
#undef MOESAIC_PERMUTE

}  // namespace moesaic::executor::cuda
