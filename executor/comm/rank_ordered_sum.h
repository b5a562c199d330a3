#pragma once
// The one order in which contributions are added: that of the ranks. It decides the bits of every reduction, so no
// transport, arrival order or vector width may appear here.

#include <cstdint>
#include <span>

namespace moesaic::executor {

/// out[i] = (((c[0][i] + c[1][i]) + c[2][i]) + ...), in T. contributions: [num_ranks] pointers to [count] elements.
/// `out` may be one of the contributions, but may not overlap one in any other way. T: float, double, BFloat16, whose
/// sums are taken in f32 and rounded once.
template <typename T>
void rank_ordered_sum(std::span<const T* const> contributions, T* out, int64_t count);

}  // namespace moesaic::executor
