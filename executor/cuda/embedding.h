#pragma once
// Looks token vectors up in the embedding table and adds their gradients back, on a stream.
// It does not check tokens: the data loader promises 0 <= token < v.

#include <cstdint>

#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

// x [m, h] = table [v, h] at rows tokens [m]
void embedding_forward(const int32_t* tokens, const float* table, float* x, int64_t m, int64_t h, Stream stream);

// dtable [v, h] at rows tokens [m] += dx [m, h], rows in order, so that repeated tokens always sum in the same order.
// Reads m integers per token: meant for the thousands of tokens of a microbatch.
void embedding_backward(const int32_t* tokens, const float* dx, float* dtable, int64_t m, int64_t h, Stream stream);

}  // namespace moesaic::executor::cuda
