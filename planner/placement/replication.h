#pragma once
// How many replicas each expert gets when only the hottest replica matters.
// It does not say where they go.

#include <vector>

namespace moesaic::planner {

/// Gives each expert one slot and every further slot to the expert with the most rows per replica (then fewest
/// replicas, then lowest index), up to `max_replicas` each. Among all counts this minimises max_e tokens[e] / count[e]:
/// the greedy never passes the least threshold t with sum_e ceil(tokens[e] / t) <= num_slots. Needs num_experts <=
/// num_slots <= num_experts * max_replicas.
std::vector<int> replicate(const std::vector<double>& tokens, int num_slots, int max_replicas);  // [num_experts]

}  // namespace moesaic::planner
