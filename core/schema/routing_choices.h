#pragma once
// The experts that each token chose, as a router's trace holds them. It knows neither names nor files.

#include <cstdint>
#include <vector>

namespace moesaic {

/// Tokens stand in the order of iterations, and within one of sources.
struct RoutingChoices {
  /// A choice that sent no row, as its expert had no room: which expert it was nobody has kept.
  static constexpr int32_t kDropped = -1;

  int64_t top_k = 0;
  std::vector<int64_t> tokens;   // [iterations, sources]: how many
  std::vector<int32_t> experts;  // [all tokens, moe layers, top_k]; of one token and layer all different, or kDropped
  std::vector<float> scores;     // alike, how much the expert's result counts for the token; empty: not known
  bool operator==(const RoutingChoices&) const = default;
};

/// What sizes counts, and how choices are cut.
struct RoutingShape {
  int64_t num_iterations = 0, num_moe_layers = 0, num_sources = 0, num_experts = 0;
};

/// 1 GiB of counts: a document that says more in a few bytes would claim memory that nobody has.
inline constexpr int64_t kMostCounts = int64_t{1} << 27;
bool has_too_many_counts(const RoutingShape& shape);

/// Index of the first token of every (iteration, source), and at the end the number of tokens: [iterations * sources +
/// 1].
std::vector<int64_t> first_tokens(const RoutingChoices& choices);

/// Choices that sent a row, by expert: [iteration, moe layer, source, expert].
std::vector<int64_t> counts_of(const RoutingChoices& choices, const RoutingShape& shape);

/// With the iterations from `first` on in front, and those before it behind them (`keep_first`) or nowhere.
RoutingChoices from_iteration(const RoutingChoices& choices, const RoutingShape& shape, int64_t first, bool keep_first);

}  // namespace moesaic
