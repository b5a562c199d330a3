#include "executor/cpu/matmul.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "executor/cpu/plain_product.h"
#include "executor/cpu/primitive_cache.h"
#include "executor/cpu/row_heights.h"
#include "executor/cpu/scratch.h"

namespace moesaic::executor::cpu {
namespace {

constexpr std::int64_t kFewRows = 16;  // reductions over so many rows or fewer are not filled up
// Elements of B up to which every height is checked beforehand. 8 + 16 + ... + 512 rows and 64 reference blocks of 64
// are 20,736 rows: 2 x 20,736 x 2^18 = 11 GFLOP for the largest.
constexpr std::int64_t kCheckedBeforehand = 1 << 18;

MatmulShape with_leading_dimensions(MatmulShape shape) {
  if (shape.lda == 0) shape.lda = shape.transpose_a == Transpose::yes ? shape.m : shape.k;
  if (shape.ldb == 0) shape.ldb = shape.transpose_b == Transpose::yes ? shape.k : shape.n;
  if (shape.ldc == 0) shape.ldc = shape.n;
  return shape;
}

PrimitiveKey key_of(const MatmulShape& shape, bool bf16) {
  const bool ta = shape.transpose_a == Transpose::yes, tb = shape.transpose_b == Transpose::yes;
  return {shape.m,
          shape.n,
          shape.k,
          ta ? 1 : shape.lda,
          ta ? shape.lda : 1,
          tb ? 1 : shape.ldb,
          tb ? shape.ldb : 1,
          shape.ldc,
          shape.accumulate,
          bf16};
}

template <typename Element>
void run(const Element* a, const Element* b, float* c, const MatmulShape& shape) {
  execute_primitive(key_of(shape, std::is_same_v<Element, BFloat16>), a, b, c);
}

void clear(float* c, const MatmulShape& shape) {
  for (std::int64_t i = 0; i < shape.m; ++i) std::fill_n(c + i * shape.ldc, shape.n, 0.0f);
}

bool keeps_bits(PrimitiveKey key, std::int64_t height) {
  key.m = height;
  return keeps_row_bits(key);
}

// Where not even the reference block treats its rows alike, loops do.
void run_rows(PrimitiveKey key, std::int64_t height, const void* a, const void* b, float* c) {
  key.m = height;
  if (height == kReferenceRows && !keeps_row_bits(key)) return plain_product(key, a, b, c);
  execute_primitive(key, a, b, c);
}

// A block of fewer rows than its height: in copies, filled up with zeros. Rows do not meet in a product.
template <typename Element>
void run_filled(const PrimitiveKey& key, std::int64_t rows, std::int64_t height, const Element* a, const Element* b,
                float* c) {
  thread_local Scratch<Element> a_scratch;
  thread_local Scratch<float> c_scratch;
  Element* a_block = a_scratch.of_size(height * key.a_row);
  float* c_block = c_scratch.of_size(height * key.ldc);
  std::fill_n(a_block, height * key.a_row, Element{});
  std::fill_n(c_block, height * key.ldc, 0.0f);
  for (std::int64_t i = 0; i < rows; ++i) {
    std::copy_n(a + i * key.a_row, key.k, a_block + i * key.a_row);
    if (key.accumulate) std::copy_n(c + i * key.ldc, key.n, c_block + i * key.ldc);
  }
  run_rows(key, height, a_block, b, c_block);
  for (std::int64_t i = 0; i < rows; ++i) std::copy_n(c_block + i * key.ldc, key.n, c + i * key.ldc);
}

template <typename Element>
void cut_output_rows(const Element* a, const Element* b, float* c, const MatmulShape& shape) {
  const PrimitiveKey key = key_of(shape, std::is_same_v<Element, BFloat16>);
  for_each_row_block(
      shape.m, [&](std::int64_t height) { return keeps_bits(key, height); },
      [&](std::int64_t first, std::int64_t rows, std::int64_t height) {
        const Element* a_rows = a + first * shape.lda;
        float* c_rows = c + first * shape.ldc;
        if (rows == height)
          run_rows(key, height, a_rows, b, c_rows);
        else
          run_filled(key, rows, height, a_rows, b, c_rows);
      });
}

// The rows that a reduction over `rows` of at most kMostRows takes.
std::int64_t filled(std::int64_t rows) {
  return rows <= kFewRows ? rows : (rows + kRowGranularity - 1) / kRowGranularity * kRowGranularity;
}

// The first `rows` of `padded` rows are x, the others zero.
template <typename Element>
const Element* padded_rows(const Element* x, std::int64_t rows, std::int64_t padded, std::int64_t columns,
                           std::int64_t stride, Scratch<Element>& scratch) {
  Element* copy = scratch.of_size(padded * columns);
  for (std::int64_t i = 0; i < rows; ++i) std::copy_n(x + i * stride, columns, copy + i * columns);
  std::fill_n(copy + rows * columns, (padded - rows) * columns, Element{0});
  return copy;
}

// A is [k, m] as stored: the sum runs over its rows. Zeros in the last block add nothing, so the cuts depend on k
// alone.
template <typename Element>
void cut_reduction_rows(const Element* a, const Element* b, float* c, const MatmulShape& shape) {
  thread_local Scratch<Element> a_scratch, b_scratch;
  MatmulShape block = shape;
  for (std::int64_t row = 0; row < shape.k; row += kMostRows) {
    const std::int64_t rows = std::min(kMostRows, shape.k - row);
    const Element* a_block = a + row * shape.lda;
    const Element* b_block = b + row * shape.ldb;
    block.k = filled(rows);
    if (block.k != rows) {
      a_block = padded_rows(a_block, rows, block.k, shape.m, shape.lda, a_scratch);
      b_block = padded_rows(b_block, rows, block.k, shape.n, shape.ldb, b_scratch);
      block.lda = shape.m;
      block.ldb = shape.n;
    }
    run(a_block, b_block, c, block);
    block.accumulate = true;
  }
}

template <typename Element>
void multiply(const Element* a, const Element* b, float* c, const MatmulShape& given) {
  const MatmulShape shape = with_leading_dimensions(given);
  if (shape.m == 0 || shape.n == 0) return;
  if (shape.k == 0) {
    if (!shape.accumulate) clear(c, shape);
  } else if (shape.transpose_a == Transpose::no) {
    cut_output_rows(a, b, c, shape);
  } else if (shape.transpose_b == Transpose::no) {
    cut_reduction_rows(a, b, c, shape);
  } else {
    run(a, b, c, shape);  // both transposed: no operator has rows here that routing changes
  }
}

// A dense bf16 copy of rows [rows, columns] with the given row stride, then zeros up to `padded` rows.
const BFloat16* rounded_rows(const float* x, std::int64_t rows, std::int64_t columns, std::int64_t stride,
                             std::int64_t padded, Scratch<BFloat16>& scratch) {
  BFloat16* copy = scratch.of_size(padded * columns);
  if (stride == columns) {
    round_to_bf16(x, copy, rows * columns);
  } else {
    for (std::int64_t i = 0; i < rows; ++i) round_to_bf16(x + i * stride, copy + i * columns, columns);
  }
  std::fill_n(copy + rows * columns, (padded - rows) * columns, BFloat16{});
  return copy;
}

}  // namespace

void matmul(const BFloat16* a, const BFloat16* b, float* c, const MatmulShape& shape) { multiply(a, b, c, shape); }

void matmul(const float* a, const float* b, float* c, const MatmulShape& given, Precision precision) {
  if (precision == Precision::f32) return multiply(a, b, c, given);
  thread_local Scratch<BFloat16> a_scratch, b_scratch;
  MatmulShape shape = with_leading_dimensions(given);
  const bool ta = shape.transpose_a == Transpose::yes, tb = shape.transpose_b == Transpose::yes;
  const std::int64_t a_columns = ta ? shape.m : shape.k, b_columns = tb ? shape.k : shape.n;
  // A reduction over rows finds its last block filled up already, which saves a copy of it.
  const std::int64_t last = shape.k % kMostRows, k = ta && !tb ? shape.k - last + filled(last) : shape.k;
  const BFloat16* a16 = rounded_rows(a, ta ? shape.k : shape.m, a_columns, shape.lda, ta ? k : shape.m, a_scratch);
  const BFloat16* b16 = rounded_rows(b, tb ? shape.n : shape.k, b_columns, shape.ldb, tb ? shape.n : k, b_scratch);
  shape.k = k;
  shape.lda = a_columns;
  shape.ldb = b_columns;
  multiply(a16, b16, c, shape);
}

void matmul(const float* a, const float* b, float* c, std::int64_t m, std::int64_t n, std::int64_t k,
            Transpose transpose_a, Transpose transpose_b, bool accumulate, Precision precision) {
  matmul(a, b, c, {m, n, k, transpose_a, transpose_b, accumulate, 0, 0, 0}, precision);
}

void prepare_matmul(const MatmulShape& given, Precision precision) {
  MatmulShape shape = with_leading_dimensions(given);
  const bool bf16 = precision == Precision::bf16, reduction = shape.transpose_a == Transpose::yes;
  std::int64_t& rows = reduction ? shape.k : shape.m;
  rows = 0;
  thread_local std::vector<PrimitiveKey> prepared;
  const PrimitiveKey any_rows = key_of(shape, bf16);
  if (std::find(prepared.begin(), prepared.end(), any_rows) != prepared.end()) return;
  if (reduction) {
    for (rows = 1; rows <= kMostRows; rows += rows < kFewRows ? 1 : kRowGranularity)
      prepare_primitive(key_of(shape, bf16));
  } else {
    for (rows = kRowGranularity; rows <= kMostRows; rows += kRowGranularity) {
      prepare_primitive(key_of(shape, bf16));
      if (shape.n * shape.k <= kCheckedBeforehand) keeps_row_bits(key_of(shape, bf16));
    }
  }
  prepared.push_back(any_rows);
}

std::int64_t matmul_primitives_created() { return primitives_created(); }

}  // namespace moesaic::executor::cpu
