#pragma once
// Rounds f32 arrays to bfloat16, the operand format of Precision::bf16, and widens them again.

#include <cstdint>

#include "core/schema/bfloat16.h"

namespace moesaic::executor::cpu {

using moesaic::BFloat16;
using moesaic::to_bf16;

void round_to_bf16(const float* x, BFloat16* y, std::int64_t n);
void widen_bf16(const BFloat16* x, float* y, std::int64_t n);

// What the rounding leaves of x, as f32: the value that a bf16 matrix product sees.
inline float through_bf16(float x) { return to_float(to_bf16(x)); }

}  // namespace moesaic::executor::cpu
