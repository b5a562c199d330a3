#pragma once
// Rows per expert as benchmarks of MoE kernels draw them, for reading their tables. Routing of steps comes from routing
// documents.

#include <cstdint>
#include <vector>

namespace moesaic {

/// Every token takes top_k experts that stand a fixed stride apart, the next token the next ones; few tokens are spread
/// over the experts. Rows of the first num_experts / ep experts.
std::vector<int64_t> balanced_rows(int64_t tokens, int num_experts, int top_k, int ep);

/// Popularity of experts drawn from a power law with exponent `alpha` between 1 and 0.8 tokens (0.01 and 2 where there
/// are fewer choices than experts), scaled to tokens * top_k choices, none above `tokens`; what is cut off goes to the
/// experts with the fewest. Of the ep groups, the one with most rows: a rank with the hot experts. `draw` seeds it.
std::vector<int64_t> power_law_rows(int64_t tokens, int num_experts, int top_k, int ep, double alpha, uint64_t draw);

}  // namespace moesaic
