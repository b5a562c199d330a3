#include <cmath>

#include "executor/cuda/adamw.h"
#include "executor/cuda/cuda_check.h"
#include "executor/cuda/element_grid.cuh"

namespace moesaic::executor::cuda {
namespace {

constexpr int kMaxParameters = 512;  // the table below must stay under 32,764 bytes of kernel arguments (sm_70+)
constexpr int64_t kChunk = 4 * 4 * kThreads;  // elements of a block: four vectors per thread

struct Factors {
  float b1, new_b1, b2, new_b2, m_scale, v_scale, eps, lr, decay;
};

// Travels as a kernel argument, so no copy to the device has to be awaited.
struct Table {
  AdamWParameter parameters[kMaxParameters];
  unsigned first_block[kMaxParameters];  // of each parameter, ascending
  int count = 0;
};
static_assert(sizeof(Table) + sizeof(Factors) <= 32764);

__device__ void update(float& w, float& g, float& m, float& v, const Factors& f, float decay) {
  m = f.b1 * m + f.new_b1 * g;
  v = f.b2 * v + f.new_b2 * (g * g);
  const float direction = (m * f.m_scale) / (sqrtf(v * f.v_scale) + f.eps);
  w -= f.lr * (direction + decay * w);
  g = 0.0f;
}

__device__ void update(float4& w, float4& g, float4& m, float4& v, const Factors& f, float decay) {
  update(w.x, g.x, m.x, v.x, f, decay);
  update(w.y, g.y, m.y, v.y, f, decay);
  update(w.z, g.z, m.z, v.z, f, decay);
  update(w.w, g.w, m.w, v.w, f, decay);
}

template <typename Element>
__device__ void update_range(const AdamWParameter& p, int64_t first, int64_t end, const Factors& f) {
  auto* w = reinterpret_cast<Element*>(p.w);
  auto* g = reinterpret_cast<Element*>(p.g);
  auto* m = reinterpret_cast<Element*>(p.m);
  auto* v = reinterpret_cast<Element*>(p.v);
  const float decay = p.decay ? f.decay : 0.0f;
  for (int64_t i = first + threadIdx.x; i < end; i += kThreads) {
    Element wi = w[i], gi = g[i], mi = m[i], vi = v[i];
    update(wi, gi, mi, vi, f, decay);
    w[i] = wi, g[i] = gi, m[i] = mi, v[i] = vi;
  }
}

__device__ bool vectors_fit(const AdamWParameter& p) {
  const auto bits = reinterpret_cast<uintptr_t>(p.w) | reinterpret_cast<uintptr_t>(p.g) |
                    reinterpret_cast<uintptr_t>(p.m) | reinterpret_cast<uintptr_t>(p.v);
  return bits % sizeof(float4) == 0;
}

__global__ void update_parameters(const __grid_constant__ Table table, const Factors f) {
  int low = 0, high = table.count;  // the last parameter whose first block is not behind this one
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (table.first_block[middle] <= blockIdx.x ? low : high) = middle;
  }
  const AdamWParameter& p = table.parameters[low];
  const int64_t first = (blockIdx.x - table.first_block[low]) * kChunk;
  const int64_t end = first + kChunk < p.count ? first + kChunk : p.count;
  if (!vectors_fit(p)) return update_range<float>(p, first, end, f);
  update_range<float4>(p, first / 4, end / 4, f);
  update_range<float>(p, end / 4 * 4, end, f);
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
          f32(s.decay)};
}

}  // namespace

void adamw_update(std::span<const AdamWParameter> parameters, const AdamW& settings, int64_t step, Stream stream) {
  const Factors f = factors(settings, step);
  size_t next = 0;
  while (next < parameters.size()) {
    Table table;
    unsigned blocks = 0;
    for (; next < parameters.size() && table.count < kMaxParameters; ++next) {
      if (parameters[next].count == 0) continue;
      table.parameters[table.count] = parameters[next];
      table.first_block[table.count++] = blocks;
      blocks += static_cast<unsigned>((parameters[next].count + kChunk - 1) / kChunk);
    }
    if (blocks == 0) return;
    update_parameters<<<blocks, kThreads, 0, stream>>>(table, f);
    CUDA_CHECK(cudaGetLastError());
  }
}

}  // namespace moesaic::executor::cuda
