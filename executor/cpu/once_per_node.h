#pragma once
// Rows that go to a node once per token, of which the rows of choices are copies. It decides no route.

#include <cstdint>
#include <span>
#include <vector>

namespace moesaic::executor::cpu {

/// rows [tokens, per_token] in the send buffer (-1: dropped), where node n's begin at node_starts[n] -> places alike:
/// rows of a buffer with one per (token, node), nodes in order and within a node tokens (-1: dropped); counts [nodes]:
/// how many each node gets.
void place_once(const int32_t* rows, int64_t tokens, int64_t per_token, std::span<const int64_t> node_starts,
                int32_t* places, int32_t* counts);

/// places [tokens, per_token] with -1 where a token names a place again.
std::vector<int32_t> first_mentions(const int32_t* places, int64_t tokens, int64_t per_token);

}  // namespace moesaic::executor::cpu
