#pragma once
// Ranks as an option: "0,3,8-15". It knows no plan.

#include <string>
#include <vector>

namespace moesaic::cli {

/// Ascending, each once. Throws std::invalid_argument, in plain words, for what is no list of numbers and ranges, for
/// ranges that fall, and for ranks that a job of `num_ranks` does not have.
std::vector<int> parse_ranks(const std::string& text, int num_ranks);

}  // namespace moesaic::cli
