#pragma once
// Who owns which part of a vector that is reduced or sharded: consecutive slices, as even as the alignment allows.
// It knows nothing of bytes or element types.

#include <cstdint>
#include <vector>

namespace moesaic::executor {

/// 16 floats fill one 64-byte cache line, so that no two owners write to the same line.
inline constexpr int64_t kSliceAlignment = 16;

/// Elements of each of `parts` slices: [parts], sum = count, every one but the last non-empty a multiple of 16:
///   begin(p) = min(count, 16 * floor(ceil(count / 16) * p / parts)).
std::vector<int64_t> even_slices(int64_t count, int parts);

}  // namespace moesaic::executor
