#pragma once
// Looks token vectors up in the embedding table and adds their gradients back.
// It does not check tokens: the data loader promises 0 <= token < v.

#include <cstdint>

namespace moesaic::executor::cpu {

// x [m, h] = table [v, h] at rows tokens [m]
void embedding_forward(const std::int32_t* tokens, const float* table, float* x, std::int64_t m, std::int64_t h);

// dtable [v, h] at rows tokens [m] += dx [m, h], rows in order, so that repeated tokens always sum in the same order
void embedding_backward(const std::int32_t* tokens, const float* dx, float* dtable, std::int64_t m, std::int64_t h);

// Columns of a row stand with the rank that holds them, equally many with each. x [m, parts, h / parts] = pieces
// [parts, m, h / parts], and back.
void join_columns(const float* pieces, float* x, std::int64_t m, std::int64_t h, std::int64_t parts);
void split_columns(const float* x, float* pieces, std::int64_t m, std::int64_t h, std::int64_t parts);

}  // namespace moesaic::executor::cpu
