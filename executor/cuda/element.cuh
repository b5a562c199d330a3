#pragma once
// The two storage formats of this room's kernels, float and BFloat16, as one: kernels compute in f32 and store Element.
// A Vector is what one thread moves in one 16-byte access.

#include <cuda_bf16.h>

#include <cstdint>

#include "core/schema/bfloat16.h"

namespace moesaic::executor::cuda {

__device__ inline float load(float x) { return x; }
__device__ inline float load(BFloat16 x) { return __uint_as_float(static_cast<uint32_t>(x.bits) << 16); }

/// Nearest, ties to even.
template <typename Element>
__device__ Element store(float x);
template <>
__device__ inline float store<float>(float x) {
  return x;
}
template <>
__device__ inline BFloat16 store<BFloat16>(float x) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
}

/// Pointers to one must be aligned to 16 bytes.
template <typename Element>
struct alignas(16) Vector {
  static constexpr int kElements = 16 / static_cast<int>(sizeof(Element));
  Element element[kElements];
};

template <typename Element>
__host__ __device__ const Vector<Element>* vectors(const Element* x) {
  return reinterpret_cast<const Vector<Element>*>(x);
}
template <typename Element>
__host__ __device__ Vector<Element>* vectors(Element* x) {
  return reinterpret_cast<Vector<Element>*>(x);
}

}  // namespace moesaic::executor::cuda
