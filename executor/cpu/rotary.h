#pragma once
// Rotary positions (RoFormer, arXiv 2104.09864): the pair (i, i + D/2) of a head at position p turns by the angle
// p * theta^(-2 i / D).
// It is not in place: it moves one head between a strided and a dense layout while it turns.

#include <cstdint>

namespace moesaic::executor::cpu {

enum class Turn { forward, back };

// y [seq, head_dim], row stride y_stride, = x [seq, head_dim], row stride x_stride, turned; row p is position p.
// Turning back is the inverse and also the gradient.
void rotary(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride, std::int64_t seq,
            std::int64_t head_dim, double theta, Turn turn);

}  // namespace moesaic::executor::cpu
