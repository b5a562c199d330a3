#include "executor/cpu/matmul.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "executor/cpu/primitive_cache.h"
#include "executor/cpu/scratch.h"

namespace moesaic::executor::cpu {
namespace {

constexpr std::int64_t kBlockRows = 512;  // plain primitives reach their peak here; larger ones gain nothing
constexpr std::int64_t kSmallest = 16;    // reductions over so many rows or fewer are not filled up

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

// Every block computes whole rows over the whole of k in order, so cutting m leaves each row's bits alone.
template <typename Element>
void cut_output_rows(const Element* a, const Element* b, float* c, const MatmulShape& shape) {
  MatmulShape block = shape;
  for (std::int64_t row = 0; row < shape.m; row += block.m) {
    const std::int64_t left = shape.m - row;
    block.m = left >= kBlockRows       ? kBlockRows
              : left > kRowGranularity ? left / kRowGranularity * kRowGranularity
                                       : left;
    run(a + row * shape.lda, b, c + row * shape.ldc, block);
  }
}

// The rows that a reduction over `rows` of at most kBlockRows takes.
std::int64_t filled(std::int64_t rows) {
  return rows <= kSmallest ? rows : (rows + kRowGranularity - 1) / kRowGranularity * kRowGranularity;
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
  for (std::int64_t row = 0; row < shape.k; row += kBlockRows) {
    const std::int64_t rows = std::min(kBlockRows, shape.k - row);
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
  const std::int64_t last = shape.k % kBlockRows, k = ta && !tb ? shape.k - last + filled(last) : shape.k;
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
  const std::int64_t singly = reduction ? kSmallest : kRowGranularity;  // from here on, blocks are filled up
  for (rows = 1; rows <= kBlockRows; rows += rows < singly ? 1 : kRowGranularity)
    prepare_primitive(key_of(shape, bf16));
  prepared.push_back(any_rows);
}

std::int64_t matmul_primitives_created() { return primitives_created(); }

}  // namespace moesaic::executor::cpu
