#pragma once
// Rounds f32 arrays to bfloat16, the operand format of Precision::bf16, on a stream.
// It is not a number type: a BFloat16 is only stored and handed to a matrix product.

#include <cstdint>

#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

using BFloat16 = uint16_t;  // the upper half of an f32

// Nearest, ties to even; NaN stays NaN. x, y [n]
void round_to_bf16(const float* x, BFloat16* y, int64_t n, Stream stream);

}  // namespace moesaic::executor::cuda
