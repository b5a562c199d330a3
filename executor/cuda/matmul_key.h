#pragma once
// What an algorithm for a matrix product was chosen for: shape, transposes, formats and the alignment of the pointers.
// It holds no algorithm.

#include <cstddef>
#include <cstdint>

#include "core/schema/units.h"

namespace moesaic::executor::cuda {

enum class Transpose { no, yes };

// C [m, n] (+)= op(A) [m, k] op(B) [k, n], all row-major and dense.
struct MatmulShape {
  int64_t m = 0, n = 0, k = 0;
  Transpose transpose_a = Transpose::no, transpose_b = Transpose::no;
  bool accumulate = false;
  bool operator==(const MatmulShape&) const = default;
};

struct MatmulKey {
  MatmulShape shape;
  DType operands = DType::f32, result = DType::f32;
  uint32_t align_a = 0, align_b = 0, align_c = 0;  // bytes
  bool operator==(const MatmulKey&) const = default;
};

struct MatmulKeyHash {
  size_t operator()(const MatmulKey& key) const;
};

/// The largest power of two that divides the address, 256 at most: more does no kernel ask for. Algorithms chosen for
/// aligned pointers fail on others, and the slots of one weight tensor need not be aligned alike.
uint32_t alignment_of(const void* data);

MatmulKey matmul_key(const void* a, const void* b, const void* c, const MatmulShape& shape, DType operands,
                     DType result);

}  // namespace moesaic::executor::cuda
