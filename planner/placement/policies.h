#pragma once
// The placement policies by name, applied to every MoE layer of a plan. They know what rows cost, not what replicas
// cost in training, where these exchange gradients: that the step's price says.

#include <string>
#include <vector>

#include "core/plan/plan.h"
#include "core/schema/routing.h"
#include "planner/placement/layer_cost.h"
#include "planner/placement/slot_prices.h"

namespace moesaic::planner {

/// The weakest form of routing that all of them accept: they read mean rows per expert, and even_sources() of them.
inline constexpr RoutingForm kPlacementReads = RoutingForm::generator;

/// "contiguous", "lpt", "eplb", "local_search": the order in which they are tried, baselines first.
const std::vector<std::string>& placement_policies();

/// The placements of all MoE layers of `plan` (its layout, cluster, routing and profile say the load), or why there is
/// none.
struct PlacedLayers {
  std::vector<ExpertPlacement> layers;  // [num_moe_layers]
  std::string refusal;
  std::string remark;  // what the policy had to leave out or mend, for people; "" as a rule
};
/// `replica_slots` more slots per rank than the experts need are filled with replicas.
PlacedLayers place_layers(const Plan& plan, const std::string& policy, uint64_t seed, int replica_slots = 0);

/// Seconds per slot and per remote row of one MoE layer, forward and backward together, from the plan's profile.
LayerCostModel layer_cost_model(const Plan& plan, const SlotPrices& slots, const LayerLoad& load);

/// Rows of one layer over one expert-parallel group and microbatch by the rank of the group that sends them: the mean
/// over groups and iterations. Ranks that hold the same tokens send the same share of them. Sources of a sampled
/// generator are alike, for only its expectation is known. `routing` has the ranks of a stage as sources.
LayerLoad layer_load(const Plan& plan, const Routing& routing, int moe_layer);
Routing routing_of(const Plan& plan);

/// Sum over MoE layers of lower_bound(): no placement of these slots is faster under the layer cost model.
Seconds placement_bound(const Plan& plan);

}  // namespace moesaic::planner
