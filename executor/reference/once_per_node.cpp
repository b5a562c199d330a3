#include "executor/reference/once_per_node.h"

#include <algorithm>
#include <limits>

namespace moesaic::executor::reference {

// Node by node, token by token: a token with rows between the node's first and the next node's takes the next place.
void place_once(const std::int32_t* rows, std::int64_t m, std::int64_t rows_per_token,
                std::span<const std::int64_t> node_starts, std::int32_t* places, std::int32_t* counts) {
  std::fill_n(places, m * rows_per_token, -1);
  std::int32_t place = 0;
  for (std::size_t node = 0; node < node_starts.size(); ++node) {
    const std::int64_t end =
        node + 1 < node_starts.size() ? node_starts[node + 1] : std::numeric_limits<std::int64_t>::max();
    const std::int32_t before = place;
    for (std::int64_t t = 0; t < m; ++t) {
      bool taken = false;
      for (std::int64_t i = t * rows_per_token; i < (t + 1) * rows_per_token; ++i)
        if (rows[i] >= node_starts[node] && rows[i] < end) {
          places[i] = place;
          taken = true;
        }
      if (taken) ++place;
    }
    counts[node] = place - before;
  }
}

}  // namespace moesaic::executor::reference
