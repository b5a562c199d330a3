#include "executor/cuda/matmul_key.h"

#include <bit>
#include <functional>

namespace moesaic::executor::cuda {

size_t MatmulKeyHash::operator()(const MatmulKey& key) const {
  size_t hash = 0;
  const auto mix = [&hash](auto value) {
    // 2^64 / golden ratio, as in boost::hash_combine
    hash ^= std::hash<int64_t>()(static_cast<int64_t>(value)) + 0x9E3779B97F4A7C15u + (hash << 6) + (hash >> 2);
  };
  mix(key.shape.m), mix(key.shape.n), mix(key.shape.k);
  mix(key.shape.transpose_a), mix(key.shape.transpose_b), mix(key.shape.accumulate), mix(key.operands), mix(key.result);
  mix(key.align_a), mix(key.align_b), mix(key.align_c);
  return hash;
}

uint32_t alignment_of(const void* data) {
  const auto address = reinterpret_cast<uintptr_t>(data);
  return 1u << std::countr_zero(static_cast<uint32_t>(address & 0xFFu) | 0x100u);
}

MatmulKey matmul_key(const void* a, const void* b, const void* c, const MatmulShape& shape, DType operands,
                     DType result) {
  return {shape, operands, result, alignment_of(a), alignment_of(b), alignment_of(c)};
}

}  // namespace moesaic::executor::cuda
