#include "executor/cpu/plain_product.h"

#include <algorithm>

#include "executor/cpu/bfloat16.h"
#include "executor/cpu/lanes.h"
#include "executor/cpu/scratch.h"

namespace moesaic::executor::cpu {
namespace {

// kColumns columns of B at a time are put side by side, kRows rows of their sums stay in registers.
constexpr std::int64_t kColumns = 32, kRows = 4;

[[gnu::always_inline]] inline float value(float x) { return x; }
[[gnu::always_inline]] inline float value(BFloat16 x) { return to_float(x); }

// Columns [first, first + columns) of B in f32, filled up with zeros: [k, kColumns].
template <typename Element>
[[gnu::always_inline]] inline void fill_panel(const PrimitiveKey& key, const Element* b, std::int64_t first,
                                              std::int64_t columns, float* panel) {
  for (std::int64_t l = 0; l < key.k; ++l) {
    const Element* row = b + l * key.b_row + first * key.b_column;
    for (std::int64_t j = 0; j < columns; ++j) panel[l * kColumns + j] = value(row[j * key.b_column]);
    for (std::int64_t j = columns; j < kColumns; ++j) panel[l * kColumns + j] = 0.0f;
  }
}

// Rows of C, from element c on: the product of as many rows of A with the panel. What is there is added to the sums at
// the end, as the library does it, so that a gradient has the same bits whether it was summed in place or elsewhere.
template <int Rows, typename Element>
[[gnu::always_inline]] inline void multiply_rows(const PrimitiveKey& key, const Element* a, const float* panel,
                                                 std::int64_t columns, float* c) {
  float sums[Rows][kColumns] = {};
  for (std::int64_t l = 0; l < key.k; ++l) {
    for (int r = 0; r < Rows; ++r) {
      const float x = value(a[r * key.a_row + l * key.a_column]);
      for (std::int64_t j = 0; j < kColumns; ++j) sums[r][j] += x * panel[l * kColumns + j];
    }
  }
  for (int r = 0; r < Rows; ++r) {
    float* row = c + r * key.ldc;
    for (std::int64_t j = 0; j < columns; ++j) row[j] = key.accumulate ? row[j] + sums[r][j] : sums[r][j];
  }
}

template <typename Element>
[[gnu::always_inline]] inline void multiply(const PrimitiveKey& key, const Element* a, const Element* b, float* c) {
  thread_local Scratch<float> scratch;
  float* panel = scratch.of_size(key.k * kColumns);
  for (std::int64_t j = 0; j < key.n; j += kColumns) {
    const std::int64_t columns = std::min(kColumns, key.n - j);
    fill_panel(key, b, j, columns, panel);
    std::int64_t i = 0;
    for (; i + kRows <= key.m; i += kRows)
      multiply_rows<kRows>(key, a + i * key.a_row, panel, columns, c + i * key.ldc + j);
    for (; i < key.m; ++i) multiply_rows<1>(key, a + i * key.a_row, panel, columns, c + i * key.ldc + j);
  }
}

MOESAIC_VECTORISED void multiply_f32(const PrimitiveKey& key, const float* a, const float* b, float* c) {
  multiply(key, a, b, c);
}

MOESAIC_VECTORISED void multiply_bf16(const PrimitiveKey& key, const BFloat16* a, const BFloat16* b, float* c) {
  multiply(key, a, b, c);
}

}  // namespace

void plain_product(const PrimitiveKey& key, const void* a, const void* b, float* c) {
  if (key.bf16) {
    multiply_bf16(key, static_cast<const BFloat16*>(a), static_cast<const BFloat16*>(b), c);
  } else {
    multiply_f32(key, static_cast<const float*>(a), static_cast<const float*>(b), c);
  }
}

}  // namespace moesaic::executor::cpu
