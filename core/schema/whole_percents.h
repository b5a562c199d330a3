#pragma once
// Counts as whole percents of their sum that add up to 100. It knows nothing of what is counted.

#include <cstdint>
#include <vector>

namespace moesaic {

/// [counts]: each rounded down; the percents then missing go to the largest remainders, one each, ties to the first.
/// All 0 where the sum is 0. Counts are at least 0 and below 2^53.
std::vector<int> whole_percents(const std::vector<int64_t>& counts);

}  // namespace moesaic
