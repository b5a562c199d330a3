#pragma once
// C (+)= op(A) op(B) on row-major f32 arrays, one thread, in f32 or with bf16 operands and f32 sums.
// It is not a wrapper of one library call: it cuts the rows so that no row's bits depend on how many rows come with it.

#include <cstdint>

#include "executor/cpu/bfloat16.h"
#include "executor/cpu/precision.h"

namespace moesaic::executor::cpu {

enum class Transpose { no, yes };

// op(A) is [m, k], op(B) is [k, n], C is [m, n]. A leading dimension of 0 means dense.
// The dimension that routing changes from call to call is the row count of A as stored: m, or k when A is transposed.
// m is cut in blocks of 512, one multiple of 8 and a tail that is filled up to 8, or as row_heights.h has it where such
// blocks would change a row's bits; k in blocks of 512 and a remainder that is filled up with zeros to a multiple of 8.
// So a shape needs at most 64 (m) or 78 (k) primitives however many row counts occur; creating one costs about 0.2 ms.
// A product for decode, whose one row should not pay for eight, may become a kernel of its own beside these: its order
// over k is then its own definition.
struct MatmulShape {
  std::int64_t m = 0, n = 0, k = 0;
  Transpose transpose_a = Transpose::no, transpose_b = Transpose::no;
  bool accumulate = false;
  std::int64_t lda = 0, ldb = 0, ldc = 0;
};

void matmul(const float* a, const float* b, float* c, const MatmulShape& shape, Precision precision);
void matmul(const float* a, const float* b, float* c, std::int64_t m, std::int64_t n, std::int64_t k,
            Transpose transpose_a, Transpose transpose_b, bool accumulate, Precision precision);

// Operands rounded beforehand, for a caller that uses one more than once.
void matmul(const BFloat16* a, const BFloat16* b, float* c, const MatmulShape& shape);

// Makes all primitives of a shape at once, so that no later call waits for one whatever row count routing brings; m, or
// k when A is transposed, does not matter. Does nothing the second time.
void prepare_matmul(const MatmulShape& shape, Precision precision);

// Number of primitives that this thread has created; constant once every block size has been met.
std::int64_t matmul_primitives_created();

}  // namespace moesaic::executor::cpu
