#pragma once
// Looks for gradients that AdamW cannot take. Integers only: what a compiler may assume of floats does not matter here.

#include <cstdint>

namespace moesaic::executor::cpu {

/// Index of the first of count elements that has no finite square: NaN, infinities and magnitudes from 2^64 on, which
/// would leave the second moment infinite for ever; -1: none. Reads 4 bytes per element where AdamW moves 32.
std::int64_t find_non_finite_square(const float* x, std::int64_t count);

}  // namespace moesaic::executor::cpu
