#pragma once
// Finds the name that a misspelt one was probably meant to be. It suggests, it never decides.

#include <string>
#include <string_view>
#include <vector>

namespace moesaic {

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b` (optimal string alignment).
size_t edit_distance(std::string_view a, std::string_view b);

/// The candidates within a third of the name's length (at least 2 edits), nearest first, then those that begin with the
/// name; ties in the given order; at most `limit`.
std::vector<std::string> nearest_names(std::string_view name, const std::vector<std::string>& candidates,
                                       size_t limit = 3);

/// The dotted paths that `path` was probably meant to be: those near by spelling, else those that share most of its
/// words, which dots and underscores divide, shortest first; at most 3.
std::vector<std::string> nearest_paths(std::string_view path, const std::vector<std::string>& candidates);

/// `did you mean "a" or "b"?`.
std::string did_you_mean(const std::vector<std::string>& names);

/// `did you mean "a" or "b"?`; without a near candidate `one of: a, b, c`; "" when there are no candidates.
std::string suggestion(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace moesaic
