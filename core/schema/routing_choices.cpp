#include "core/schema/routing_choices.h"

#include <algorithm>
#include <numeric>

namespace moesaic {

std::vector<int64_t> first_tokens(const RoutingChoices& choices) {
  std::vector<int64_t> first(choices.tokens.size() + 1, 0);
  std::partial_sum(choices.tokens.begin(), choices.tokens.end(), first.begin() + 1);
  return first;
}

bool has_too_many_counts(const RoutingShape& s) {
  int64_t product = 1;
  for (const int64_t factor : {s.num_iterations, s.num_moe_layers, s.num_sources, s.num_experts}) {
    if (factor > kMostCounts / product) return true;
    product *= std::max<int64_t>(1, factor);
  }
  return false;
}

std::vector<int64_t> counts_of(const RoutingChoices& choices, const RoutingShape& s) {
  std::vector<int64_t> counts(static_cast<size_t>(s.num_iterations * s.num_moe_layers * s.num_sources * s.num_experts),
                              0);
  const int64_t of_token = s.num_moe_layers * choices.top_k;
  auto expert = choices.experts.begin();
  for (int64_t row = 0; row < s.num_iterations * s.num_sources; ++row) {
    const int64_t iteration = row / s.num_sources, source = row % s.num_sources;
    for (int64_t i = 0; i < choices.tokens[static_cast<size_t>(row)] * of_token; ++i, ++expert) {
      if (*expert == RoutingChoices::kDropped) continue;
      const int64_t layer = i % of_token / choices.top_k;
      ++counts[static_cast<size_t>(((iteration * s.num_moe_layers + layer) * s.num_sources + source) * s.num_experts +
                                   *expert)];
    }
  }
  return counts;
}

RoutingChoices from_iteration(const RoutingChoices& choices, const RoutingShape& s, int64_t first, bool keep_first) {
  RoutingChoices turned = choices;
  const auto turn = [&](auto& values, int64_t begin) {
    std::rotate(values.begin(), values.begin() + begin, values.end());
    if (!keep_first) values.resize(values.size() - static_cast<size_t>(begin));
  };
  const int64_t begin =
      first_tokens(choices)[static_cast<size_t>(first * s.num_sources)] * s.num_moe_layers * choices.top_k;
  turn(turned.tokens, first * s.num_sources);
  turn(turned.experts, begin);
  if (!choices.scores.empty()) turn(turned.scores, begin);
  return turned;
}

}  // namespace moesaic
