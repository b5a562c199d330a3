#include "executor/cpu/plain_product.h"

#include <algorithm>

#include "executor/cpu/bfloat16.h"
#include "executor/cpu/lanes.h"

namespace moesaic::executor::cpu {
namespace {

// A panel of B of so many rows and columns stays in the first cache (32 KiB), kRows rows of its sums in registers.
constexpr std::int64_t kDepth = 256, kColumns = 32, kRows = 4;

[[gnu::always_inline]] inline float value(float x) { return x; }
[[gnu::always_inline]] inline float value(BFloat16 x) { return to_float(x); }

// Rows [l0, l0 + depth) and columns [j0, j0 + columns) of B in f32: [depth, kColumns].
template <typename Element>
[[gnu::always_inline]] inline void fill_panel(const PrimitiveKey& key, const Element* b, std::int64_t l0,
                                              std::int64_t depth, std::int64_t j0, std::int64_t columns, float* panel) {
  for (std::int64_t l = 0; l < depth; ++l) {
    const Element* row = b + (l0 + l) * key.b_row + j0 * key.b_column;
    for (std::int64_t j = 0; j < columns; ++j) panel[l * kColumns + j] = value(row[j * key.b_column]);
    for (std::int64_t j = columns; j < kColumns; ++j) panel[l * kColumns + j] = 0.0f;
  }
}

// Adds the product of Rows rows of A, from element a on, with the panel to their sums; `begin`: the sums start at zero.
template <int Rows, typename Element>
[[gnu::always_inline]] inline void add_rows(const PrimitiveKey& key, const Element* a, const float* panel,
                                            std::int64_t depth, std::int64_t columns, bool begin, float* c) {
  float sums[Rows][kColumns] = {};
  for (int r = 0; !begin && r < Rows; ++r) std::copy_n(c + r * key.ldc, columns, sums[r]);
  for (std::int64_t l = 0; l < depth; ++l) {
    for (int r = 0; r < Rows; ++r) {
      const float x = value(a[r * key.a_row + l * key.a_column]);
      for (std::int64_t j = 0; j < kColumns; ++j) sums[r][j] += x * panel[l * kColumns + j];
    }
  }
  for (int r = 0; r < Rows; ++r) std::copy_n(sums[r], columns, c + r * key.ldc);
}

template <typename Element>
[[gnu::always_inline]] inline void multiply(const PrimitiveKey& key, const Element* a, const Element* b, float* c) {
  alignas(64) float panel[kDepth * kColumns];
  for (std::int64_t j = 0; j < key.n; j += kColumns) {
    const std::int64_t columns = std::min(kColumns, key.n - j);
    for (std::int64_t l = 0; l < key.k; l += kDepth) {
      const std::int64_t depth = std::min(kDepth, key.k - l);
      const bool begin = l == 0 && !key.accumulate;
      fill_panel(key, b, l, depth, j, columns, panel);
      std::int64_t i = 0;
      for (; i + kRows <= key.m; i += kRows)
        add_rows<kRows>(key, a + i * key.a_row + l * key.a_column, panel, depth, columns, begin, c + i * key.ldc + j);
      for (; i < key.m; ++i)
        add_rows<1>(key, a + i * key.a_row + l * key.a_column, panel, depth, columns, begin, c + i * key.ldc + j);
    }
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
