#include <cmath>
#include <type_traits>

#include "executor/cuda/adamw.h"
#include "executor/cuda/array_table.cuh"
#include "executor/cuda/element.cuh"
#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {
namespace {

constexpr int kWidth = 4;                          // elements of a thread's access: 16 bytes of each f32 array
constexpr int64_t kChunk = 4 * kWidth * kThreads;  // of a block

struct Factors {
  float b1, new_b1, b2, new_b2, m_scale, v_scale, eps, lr, decay, gradient_scale;
};

template <typename Element, typename Gradient>
using Table = ArrayTable<AdamWParameter<Element, Gradient>, 512, kChunk>;
static_assert(sizeof(Table<float, float>) + sizeof(Factors) <= 32764);

__device__ void update(float& w, float gradient, float& m, float& v, const Factors& f, float decay) {
  const float g = f.gradient_scale * gradient;
  m = f.b1 * m + f.new_b1 * g;
  v = f.b2 * v + f.new_b2 * (g * g);
  const float direction = (m * f.m_scale) / (sqrtf(v * f.v_scale) + f.eps);
  w -= f.lr * (direction + decay * w);
}

template <typename T, int kCount>
struct alignas(kCount * sizeof(T)) Pack {
  T element[kCount];
};

/// Elements [begin, end) in packs of kCount.
template <int kCount, typename Element, typename Gradient>
__device__ void update_packs(const AdamWParameter<Element, Gradient>& p, int64_t begin, int64_t end, const Factors& f) {
  using Values = Pack<float, kCount>;
  using Stored = Pack<Element, kCount>;
  using Gradients = Pack<Gradient, kCount>;
  const float decay = p.decay ? f.decay : 0.0f;
  for (int64_t i = begin / kCount + threadIdx.x; i < end / kCount; i += kThreads) {
    Values w = reinterpret_cast<Values*>(p.master)[i], m = reinterpret_cast<Values*>(p.m)[i],
           v = reinterpret_cast<Values*>(p.v)[i];
    Gradients g = reinterpret_cast<Gradients*>(p.g)[i];
    Stored rounded;
    for (int e = 0; e < kCount; ++e) {
      update(w.element[e], load(g.element[e]), m.element[e], v.element[e], f, decay);
      rounded.element[e] = store<Element>(w.element[e]);
      g.element[e] = store<Gradient>(0.0f);
    }
    reinterpret_cast<Values*>(p.master)[i] = w;
    reinterpret_cast<Values*>(p.m)[i] = m;
    reinterpret_cast<Values*>(p.v)[i] = v;
    reinterpret_cast<Gradients*>(p.g)[i] = g;
    if constexpr (!std::is_same_v<Element, float>) reinterpret_cast<Stored*>(p.w)[i] = rounded;
  }
}

template <typename T>
__device__ bool fits(const T* data) {
  return reinterpret_cast<uintptr_t>(data) % sizeof(Pack<T, kWidth>) == 0;
}

template <typename Element, typename Gradient>
__global__ void update_parameters(const __grid_constant__ Table<Element, Gradient> table, const Factors f) {
  const auto [entry, begin, end] = table.share_of(blockIdx.x);
  const AdamWParameter<Element, Gradient>& p = table.entries[entry];
  const bool packs = fits(p.w) && fits(p.g) && fits(p.m) && fits(p.v) && fits(p.master);
  const int64_t behind = packs ? end / kWidth * kWidth : begin;
  update_packs<kWidth>(p, begin, behind, f);
  update_packs<1>(p, behind, end, f);
}

Factors factors(const AdamW& s, int64_t step) {
  const auto t = static_cast<double>(step);
  const auto f32 = [](double x) { return static_cast<float>(x); };
  return {f32(s.b1),
          f32(1.0 - s.b1),
          f32(s.b2),
          f32(1.0 - s.b2),
          f32(1.0 / (1.0 - std::pow(s.b1, t))),
          f32(1.0 / (1.0 - std::pow(s.b2, t))),
          f32(s.eps),
          f32(s.lr),
          f32(s.decay),
          s.gradient_scale};
}

}  // namespace

template <typename Element, typename Gradient>
void adamw_update(std::type_identity_t<std::span<const AdamWParameter<Element, Gradient>>> parameters,
                  const AdamW& settings, int64_t step, Stream stream) {
  using Parameters = Table<Element, Gradient>;
  for_each_table<Parameters>(parameters, [&](const Parameters& table, unsigned blocks, size_t) {
    launch_kernel(update_parameters<Element, Gradient>, blocks, kThreads, stream, table, factors(settings, step));
  });
}

template void adamw_update<float>(std::span<const AdamWParameter<float>>, const AdamW&, int64_t, Stream);
template void adamw_update<BFloat16>(std::span<const AdamWParameter<BFloat16>>, const AdamW&, int64_t, Stream);
template void adamw_update<BFloat16, float>(std::span<const AdamWParameter<BFloat16, float>>, const AdamW&, int64_t,
                                            Stream);

}  // namespace moesaic::executor::cuda
