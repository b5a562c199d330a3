#pragma once
// Rows of tokens whose choices are known, as a rank's router counts them. What to expect where they are not is
// node_rows.h.

#include <cstdint>
#include <span>
#include <vector>

#include "core/routing/routing_rules.h"

namespace moesaic {

/// What a rank sends of one chunk of its tokens.
struct ChosenRows {
  std::vector<int64_t> of_experts;  // [num_experts]
  std::vector<int64_t> of_nodes;    // [nodes_reached_once]: tokens with a row for the node
};

/// choices: the rank's, [tokens, top_k], RoutingChoices::kDropped among them. Chunk c of C takes the tokens from c T /
/// C on. In their order an expert takes what its chunk's share of the capacity has room for, and row i of n of a slice
/// goes to the replica whose share of the n it is in (split_over_slots).
ChosenRows chosen_rows(const RoutingRules& rules, int moe_layer, int rank, std::span<const int32_t> choices, int chunk,
                       int num_chunks);

}  // namespace moesaic
