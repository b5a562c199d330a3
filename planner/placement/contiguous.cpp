#include "planner/placement/contiguous.h"

namespace moesaic::planner {

PlacementResult contiguous(const PlacementRequest& request) {
  if (std::string refusal = refusal_of(request); !refusal.empty()) return {{}, refusal};
  if (request.num_experts % request.num_ranks != 0) {
    return {{},
            "contiguous placement needs num_ranks to divide num_experts: " + std::to_string(request.num_experts) +
                " experts on " + std::to_string(request.num_ranks) + " ranks"};
  }
  const int experts_per_rank = request.num_experts / request.num_ranks;
  LayerPlacement placement = unfilled(request);
  for (int slot = 0; slot < placement.num_slots(); ++slot) {
    const int local = slot % request.slots_per_rank;
    const int home = (placement.rank_of(slot) + local / experts_per_rank) % request.num_ranks;
    placement.slot_to_expert[slot] = home * experts_per_rank + local % experts_per_rank;
  }
  return {placement, ""};
}

}  // namespace moesaic::planner
