#pragma once
// Rotary positions on a stream: the pair (i, i + D/2) of a head at position p turns by the angle p * 10000^(-2 i / D).
// The angles come from a table (rotary_angles.h), so that f32 results agree with those of the CPU.

#include <cstdint>

#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

enum class Turn { forward, back };

// y = x turned, heads of head_dim elements side by side at the start of each row: x rows of x_stride elements, y rows
// of y_stride. Row t is position t % seq. angles [>= seq, 2, head_dim / 2] = cos, sin. y may be x, with the same
// stride. Turning back is the inverse and also the gradient.
template <typename Element>
void rotary(const Element* x, int64_t x_stride, Element* y, int64_t y_stride, const float* angles, int64_t rows,
            int64_t seq, int64_t heads, int64_t head_dim, Turn turn, Stream stream);

}  // namespace moesaic::executor::cuda
