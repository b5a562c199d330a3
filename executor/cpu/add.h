#pragma once
// Element-wise sums: the residual connection and the accumulation of gradients.
// They do not reduce: output element i depends on element i of the inputs alone.

#include <cstdint>

namespace moesaic::executor::cpu {

void add(const float* a, const float* b, float* y, std::int64_t n);  // y [n] = a + b; y may be a or b
void accumulate(const float* a, float* y, std::int64_t n);           // y [n] += a

}  // namespace moesaic::executor::cpu
