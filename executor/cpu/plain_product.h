#pragma once
// One matrix product as loops, for machines without oneDNN, several times slower. Sums run over k in order, from zero,
// so no result depends on the rows beside it or on what C held before. It cuts nothing and caches nothing.

#include "executor/cpu/primitive_cache.h"

namespace moesaic::executor::cpu {

// C[m, n] (+)= A[m, k] B[k, n] for the strides of the key; operands are bf16 or f32, sums f32.
void plain_product(const PrimitiveKey& key, const void* a, const void* b, float* c);

}  // namespace moesaic::executor::cpu
