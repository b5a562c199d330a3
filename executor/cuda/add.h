#pragma once
// Element-wise sums on a stream: the residual connection and the accumulation of gradients.
// They do not reduce: output element i depends on element i of the inputs alone. Element: float, BFloat16.

#include <cstdint>

#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

// y [n] = a + b; y may be a or b
template <typename Element>
void add(const Element* a, const Element* b, Element* y, int64_t n, Stream stream);

// y [n] += a
template <typename Element>
void accumulate(const Element* a, Element* y, int64_t n, Stream stream);

}  // namespace moesaic::executor::cuda
