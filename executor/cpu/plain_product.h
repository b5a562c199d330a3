#pragma once
// One matrix product as blocked loops, for machines without oneDNN. It is not fast, about a tenth of the library; its
// sums run over k in order, so no result depends on the blocks or on the rows beside it.

#include "executor/cpu/primitive_cache.h"

namespace moesaic::executor::cpu {

// C[m, n] (+)= A[m, k] B[k, n] for the strides of the key; operands are bf16 or f32, sums f32.
void plain_product(const PrimitiveKey& key, const void* a, const void* b, float* c);

}  // namespace moesaic::executor::cpu
