#pragma once
// Looks token vectors up in the embedding table and adds their gradients back.
// It does not check tokens: the data loader promises 0 <= token < v.

#include <cstdint>

namespace moesaic::executor::cpu {

// x [m, h] = table [v, h] at rows tokens [m]
void embedding_forward(const std::int32_t* tokens, const float* table, float* x, std::int64_t m, std::int64_t h);

// dtable [v, h] at rows tokens [m] += dx [m, h], rows in order, so that repeated tokens always sum in the same order
void embedding_backward(const std::int32_t* tokens, const float* dx, float* dtable, std::int64_t m, std::int64_t h);

}  // namespace moesaic::executor::cpu
