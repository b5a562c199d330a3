#pragma once
// Element-wise sums on a stream: the residual connection and the accumulation of gradients.
// They do not reduce: output element i depends on element i of the inputs alone.

#include <cstdint>

#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

void add(const float* a, const float* b, float* y, int64_t n, Stream stream);  // y [n] = a + b; y may be a or b
void accumulate(const float* a, float* y, int64_t n, Stream stream);           // y [n] += a

}  // namespace moesaic::executor::cuda
