#pragma once
// The keywords and built-in functions of device code, for one fiber per thread. What runs side by side on a GPU takes
// turns here, so atomics are plain. Absent on purpose: atomics on floating point (sums must have a fixed order),
// __activemask and dynamic shared memory.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "tests/emulated_cuda/block.h"
#include "vector_types.h"

#define __host__
#define __device__
#define __global__
#define __grid_constant__
#define __shared__ static  // blocks run one after the other, in one kernel at a time
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

using emulated_cuda::blockDim;
using emulated_cuda::blockIdx;
using emulated_cuda::gridDim;
using emulated_cuda::threadIdx;
constexpr int warpSize = 32;

inline void __syncthreads() { emulated_cuda::wait_for_block(); }
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu) { (void)emulated_cuda::exchange("__syncwarp", mask, 0); }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __trap() { emulated_cuda::fail("__trap"); }

// Shuffles. A width below 32 splits the warp into groups; a lane that would read outside its group reads itself.
template <typename T>
T emulated_shuffle(const char* name, unsigned mask, T value, int source) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t sent = 0, received = 0;
  std::memcpy(&sent, &value, sizeof value);
  received = emulated_cuda::exchange(name, mask, sent)[source];
  std::memcpy(&value, &received, sizeof value);
  return value;
}
inline int emulated_lane() { return emulated_cuda::lane(); }

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  return emulated_shuffle("__shfl_sync", mask, value, (emulated_lane() & ~(width - 1)) | (source & (width - 1)));
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32) {
  const int source = emulated_lane() ^ lane_mask, end = (emulated_lane() & ~(width - 1)) + width;
  return emulated_shuffle("__shfl_xor_sync", mask, value, source < end ? source : emulated_lane());
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const int source = emulated_lane() + static_cast<int>(delta), end = (emulated_lane() & ~(width - 1)) + width;
  return emulated_shuffle("__shfl_down_sync", mask, value, source < end ? source : emulated_lane());
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const int source = emulated_lane() - static_cast<int>(delta), first = emulated_lane() & ~(width - 1);
  return emulated_shuffle("__shfl_up_sync", mask, value, source >= first ? source : emulated_lane());
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  const uint64_t* votes = emulated_cuda::exchange("__ballot_sync", mask, predicate != 0 ? 1 : 0);
  unsigned ballot = 0;
  for (unsigned lane = 0; lane < 32; ++lane)
    if (votes[lane] == 1) ballot |= 1u << lane;
  return ballot & mask;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate == 0) == 0; }
inline int __syncthreads_count(int predicate) { return emulated_cuda::count_in_block(predicate != 0); }
inline int __syncthreads_or(int predicate) { return __syncthreads_count(predicate) != 0; }
inline int __syncthreads_and(int predicate) { return __syncthreads_count(predicate == 0) == 0; }

template <typename T, typename F>
T emulated_atomic(T* at, F&& changed) {
  static_assert(std::is_integral_v<T>, "the order of floating-point atomics is not fixed");
  const T old = *at;
  *at = static_cast<T>(changed(old));
  return old;
}
template <typename T>
T atomicAdd(T* at, std::type_identity_t<T> value) {
  return emulated_atomic(at, [value](T old) { return old + value; });
}
template <typename T>
T atomicSub(T* at, std::type_identity_t<T> value) {
  return emulated_atomic(at, [value](T old) { return old - value; });
}
template <typename T>
T atomicMin(T* at, std::type_identity_t<T> value) {
  return emulated_atomic(at, [value](T old) { return std::min(old, value); });
}
template <typename T>
T atomicMax(T* at, std::type_identity_t<T> value) {
  return emulated_atomic(at, [value](T old) { return std::max(old, value); });
}
template <typename T>
T atomicExch(T* at, std::type_identity_t<T> value) {
  return emulated_atomic(at, [value](T) { return value; });
}
template <typename T>
T atomicCAS(T* at, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return emulated_atomic(at, [=](T old) { return old == expected ? value : old; });
}
template <typename T>
T atomicOr(T* at, std::type_identity_t<T> value) {
  return emulated_atomic(at, [value](T old) { return old | value; });
}
template <typename T>
T atomicAnd(T* at, std::type_identity_t<T> value) {
  return emulated_atomic(at, [value](T old) { return old & value; });
}

inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __int_as_float(int bits) { return std::bit_cast<float>(bits); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float __fmaf_rn(float x, float y, float z) { return std::fma(x, y, z); }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __saturatef(float x) { return x > 0.0f ? std::min(x, 1.0f) : 0.0f; }

template <typename T>
T __ldg(const T* at) {
  return *at;
}
template <typename T>
T __ldcs(const T* at) {
  return *at;
}
template <typename T>
void __stcs(T* at, const T& value) {
  *at = value;
}

// As on the device: of a number and a NaN the number.
template <typename A, typename B>
auto min(A a, B b) {
  using T = std::common_type_t<A, B>;
  if constexpr (std::is_floating_point_v<T>) return std::fmin(static_cast<T>(a), static_cast<T>(b));
  return static_cast<T>(b) < static_cast<T>(a) ? static_cast<T>(b) : static_cast<T>(a);
}
template <typename A, typename B>
auto max(A a, B b) {
  using T = std::common_type_t<A, B>;
  if constexpr (std::is_floating_point_v<T>) return std::fmax(static_cast<T>(a), static_cast<T>(b));
  return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(b) : static_cast<T>(a);
}
