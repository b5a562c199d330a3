#include "planner/placement/request.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "core/schema/error.h"

namespace moesaic::planner {

std::string refusal_of(const PlacementRequest& request) {
  if (request.num_experts < 1 || request.num_ranks < 1 || request.slots_per_rank < 1) {
    return "experts, ranks and slots per rank must be at least 1";
  }
  const std::int64_t num_slots = std::int64_t{request.num_ranks} * request.slots_per_rank;
  if (num_slots > std::numeric_limits<int>::max()) return "more slots than an index can count";
  if (num_slots < request.num_experts) {
    return std::to_string(request.num_experts) + " experts do not fit " + std::to_string(num_slots) + " slots";
  }
  if (request.rules.distinct_on_rank && request.slots_per_rank > request.num_experts) {
    return std::to_string(request.slots_per_rank) + " slots per rank cannot hold distinct ones of " +
           std::to_string(request.num_experts) + " experts";
  }
  if (static_cast<int>(request.tokens.size()) != request.num_experts) return "one token count per expert is needed";
  for (const double tokens : request.tokens) {
    if (!std::isfinite(tokens) || tokens < 0.0) return "token counts must be finite and not negative";
  }
  return "";
}

void check(const PlacementRequest& request) {
  const std::string refusal = refusal_of(request);
  if (refusal.empty()) return;
  throw InputError("expert placement", "", refusal, "num_experts <= num_ranks * slots_per_rank, tokens [num_experts]",
                   "change slots per rank or the number of ranks");
}

LayerPlacement unfilled(const PlacementRequest& request) {
  return {request.num_experts, request.num_ranks, request.slots_per_rank, std::vector<int>(request.num_slots(), -1)};
}

}  // namespace moesaic::planner
