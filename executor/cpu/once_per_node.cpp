#include "executor/cpu/once_per_node.h"

#include <algorithm>

namespace moesaic::executor::cpu {
namespace {

/// The last node that begins at the row or before: those between have none.
int64_t node_of(int32_t row, std::span<const int64_t> node_starts) {
  return std::upper_bound(node_starts.begin(), node_starts.end(), row) - node_starts.begin() - 1;
}

}  // namespace

void place_once(const int32_t* rows, int64_t tokens, int64_t per_token, std::span<const int64_t> node_starts,
                int32_t* places, int32_t* counts) {
  std::fill_n(counts, node_starts.size(), 0);
  std::vector<int64_t> last(node_starts.size(), -1);  // token with a row for the node
  for (int64_t i = 0; i < tokens * per_token; ++i) {
    places[i] = -1;
    if (rows[i] < 0) continue;
    const int64_t node = node_of(rows[i], node_starts), token = i / per_token;
    if (last[static_cast<size_t>(node)] < token) ++counts[node];
    last[static_cast<size_t>(node)] = token;
    places[i] = counts[node] - 1;
  }
  std::vector<int32_t> first(node_starts.size(), 0);
  for (size_t node = 1; node < first.size(); ++node) first[node] = first[node - 1] + counts[node - 1];
  for (int64_t i = 0; i < tokens * per_token; ++i)
    if (rows[i] >= 0) places[i] += first[static_cast<size_t>(node_of(rows[i], node_starts))];
}

std::vector<int32_t> first_mentions(const int32_t* places, int64_t tokens, int64_t per_token) {
  std::vector<int32_t> first(places, places + tokens * per_token);
  for (int64_t i = 0; i < tokens * per_token; ++i) {
    const int32_t* of_token = places + i / per_token * per_token;
    if (std::find(of_token, places + i, places[i]) != places + i) first[static_cast<size_t>(i)] = -1;
  }
  return first;
}

}  // namespace moesaic::executor::cpu
