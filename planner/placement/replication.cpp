#include "planner/placement/replication.h"

#include <cstdint>

#include "core/schema/error.h"

namespace moesaic::planner {

std::vector<int> replicate(const std::vector<double>& tokens, int num_slots, int max_replicas) {
  const int num_experts = static_cast<int>(tokens.size());
  MOESAIC_CHECK(num_experts <= num_slots && num_slots <= std::int64_t{num_experts} * max_replicas,
                "the slots must hold every expert and no more than the replicas allowed");
  std::vector<int> counts(num_experts, 1);
  for (int spare = num_slots - num_experts; spare > 0; --spare) {
    int chosen = -1;
    for (int expert = 0; expert < num_experts; ++expert) {
      if (counts[expert] == max_replicas) continue;
      if (chosen < 0) {
        chosen = expert;
        continue;
      }
      const double rows = tokens[expert] / counts[expert];
      const double most_rows = tokens[chosen] / counts[chosen];
      if (rows > most_rows || (rows == most_rows && counts[expert] < counts[chosen])) chosen = expert;
    }
    ++counts[chosen];
  }
  return counts;
}

}  // namespace moesaic::planner
