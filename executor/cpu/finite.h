#pragma once
// Looks for gradients that AdamW cannot take, and sums the squares of the others. Integers only: what a compiler may
// assume of floats does not matter here.

#include <cstdint>

#include "core/schema/exact_squares.h"

namespace moesaic::executor::cpu {

/// Index of the first of count elements that has no finite square: NaN, infinities and magnitudes from 2^64 on, which
/// would leave the second moment infinite for ever; -1: none. Reads 4 bytes per element where AdamW moves 32.
/// `squares`, where given, gains those of all elements, unless there is such a one.
std::int64_t find_non_finite_square(const float* x, std::int64_t count, ExactSquares* squares = nullptr);

}  // namespace moesaic::executor::cpu
