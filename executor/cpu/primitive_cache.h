#pragma once
// The library's matrix-product primitives of this thread, by exact shape, least recently used out first.
// It is not a kernel: it only avoids paying the 0.2 ms of code generation again. Built without oneDNN, it holds nothing
// and calls plain_product.

#include <cstddef>
#include <cstdint>

namespace moesaic::executor::cpu {

struct PrimitiveKey {
  std::int64_t m, n, k;
  std::int64_t a_row, a_column, b_row, b_column, ldc;  // strides, in elements
  bool accumulate, bf16;
  bool operator==(const PrimitiveKey&) const = default;
};

struct PrimitiveKeyHash {
  std::size_t operator()(const PrimitiveKey& key) const;
};

// Executes C[m, n] (+)= A[m, k] B[k, n] for the strides of the key. bf16 operands are multiplied as they are where the
// processor can, else as the f32 values that they stand for: the same function, in another order of sums.
void execute_primitive(const PrimitiveKey& key, const void* a, const void* b, float* c);

// Makes the primitive of the key unless there is one.
void prepare_primitive(const PrimitiveKey& key);

std::int64_t primitives_created();

}  // namespace moesaic::executor::cpu
