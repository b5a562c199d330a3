#include "planner/placement/policies.h"

#include <algorithm>

#include "core/cost/cost_model.h"
#include "core/operators/operator.h"
#include "planner/placement/contiguous.h"
#include "planner/placement/eplb.h"
#include "planner/placement/local_search.h"
#include "planner/placement/lower_bound.h"
#include "planner/placement/lpt.h"

namespace moesaic::planner {
namespace {

int64_t tokens_per_rank(const Plan& plan) {
  return plan.workload.tokens_per_step() / (int64_t{plan.layout.stage_ranks()} * plan.layout.micro_batches);
}

PlacementRequest request_of(const Plan& plan, const LayerLoad& load, int replica_slots = 0) {
  PlacementRequest request;
  request.num_experts = static_cast<int>(num_placed_experts(plan));
  request.num_ranks = plan.layout.ep;
  request.slots_per_rank = (request.num_experts + plan.layout.ep - 1) / plan.layout.ep + replica_slots;
  request.tokens = load.tokens;
  request.rules.distinct_on_rank = true;
  return request;
}

PlacementResult place(const Plan& plan, const std::string& policy, const PlacementRequest& request,
                      const LayerLoad& load, uint64_t seed) {
  if (policy == "contiguous") return contiguous(request);
  if (policy == "lpt") return lpt(request);
  const int nodes = std::max(1, plan.layout.ep / std::max(1, plan.cluster.devices_per_node));
  if (policy == "eplb") return eplb(request, {1, nodes});
  PlacementResult start = lpt(request);
  if (!start.ok()) return start;
  constexpr int64_t kMovesPerLayer = 20'000;  // a few milliseconds; gains after that were below 0.1 % on 256 experts
  SearchOptions options;
  options.seed = seed;
  options.max_evaluations = kMovesPerLayer;
  options.rules = request.rules;
  start.placement = local_search(start.placement, load, layer_cost_model(plan), options).placement;
  return start;
}

bool can_be_contiguous(const Plan& plan) { return num_placed_experts(plan) % plan.layout.ep == 0; }

}  // namespace

const std::vector<std::string>& placement_policies() {
  static const std::vector<std::string> names = {"contiguous", "lpt", "eplb", "local_search"};
  return names;
}

LayerLoad layer_load(const Plan& plan, int moe_layer) {
  const int ep = plan.layout.ep, experts = static_cast<int>(plan.model.num_experts);
  const Routing routing(plan.routing, plan.model.num_moe_layers(), plan.layout.stage_ranks(), experts,
                        tokens_per_rank(plan) * plan.model.top_k, plan.model.top_k);
  std::vector<double> tokens;  // every slice of an expert sees all its rows
  for (double rows : routing.mean_load(moe_layer))
    tokens.insert(tokens.end(), static_cast<size_t>(plan.layout.expert_slices),
                  rows * static_cast<double>(ep) / plan.layout.stage_ranks());
  return even_sources(tokens, ep);
}

LayerCostModel layer_cost_model(const Plan& plan) {
  const CostModel prices(plan.profile, plan.cluster);
  LayerCostModel model;
  const bool training = plan.workload.phase == WorkloadPhase::training;
  const int64_t rows =
      std::max<int64_t>(1, tokens_per_rank(plan) * plan.model.top_k * plan.layout.ep / plan.model.num_experts);
  for (const Op op : {Op::experts, Op::experts_dgrad, Op::experts_wgrad}) {
    if (op != Op::experts && !training) break;
    Task task;
    task.op = op;
    task.shape.n = plan.model.expert_intermediate / plan.layout.expert_slices;
    task.shape.k = plan.model.hidden;
    task.shape.gated = plan.model.activation == Activation::swiglu;
    task.dtype = plan.workload.compute_dtype;
    if (!training) task.stored_dtype = plan.model.expert_dtype;
    // A line through the prices at the mean load and at twice that: slope per row, intercept per expert that has rows.
    const int64_t slots = std::max<int64_t>(1, num_placed_experts(plan) / plan.layout.ep);
    const Seconds once = prices.one_more_slot(task, rows, slots), twice = prices.one_more_slot(task, 2 * rows, slots);
    const Seconds slope = std::max(0.0, (twice - once) / static_cast<double>(rows));
    model.seconds_per_row += slope;
    model.seconds_per_active_expert += std::max(0.0, once - slope * static_cast<double>(rows));
  }
  const double passes = training ? 2 : 1;  // backward sends as much as forward
  const auto row_bytes = static_cast<double>(bytes_of(plan.workload.compute_dtype, plan.model.hidden));
  const auto per_row = [&](const Link& link) {
    return link.present() ? passes * row_bytes / link.reached_bytes_per_s() : 0.0;
  };
  model.seconds_per_remote_row_intra = per_row(plan.cluster.intra_node);
  model.seconds_per_remote_row_inter =
      per_row(plan.cluster.nic) * plan.cluster.devices_per_node / std::max(1, plan.cluster.nics_per_node);
  model.ranks_per_node = std::min(plan.layout.ep, plan.cluster.devices_per_node);
  if (plan.layout.ep % model.ranks_per_node != 0) model.ranks_per_node = plan.layout.ep;
  return model;
}

PlacedLayers place_layers(const Plan& plan, const std::string& policy, uint64_t seed, int replica_slots) {
  require_form(plan.routing, kPlacementReads, "placement policy " + policy);
  PlacedLayers placed;
  if (policy == "contiguous" && replica_slots == 0 && plan.dispatch.gathers_tokens() && can_be_contiguous(plan)) {
    placed.layers.assign(static_cast<size_t>(plan.model.num_moe_layers()), default_placement(plan));
    return placed;
  }
  LayerLoad before;
  for (int layer = 0; layer < plan.model.num_moe_layers(); ++layer) {
    const LayerLoad load = layer_load(plan, layer);
    if (layer > 0 && load.tokens == before.tokens) {  // as under uniform routing: what serves one serves the next
      placed.layers.push_back(placed.layers.back());
      continue;
    }
    before = load;
    const PlacementResult result =
        place(plan, policy, request_of(plan, load, replica_slots), load, seed + static_cast<uint64_t>(layer));
    if (!result.ok()) return {{}, result.refusal};
    placed.layers.push_back({result.placement.slots_per_rank, result.placement.slot_to_expert});
  }
  return placed;
}

Seconds placement_bound(const Plan& plan) {
  const LayerCostModel model = layer_cost_model(plan);
  Seconds bound = 0;
  for (int layer = 0; layer < plan.model.num_moe_layers(); ++layer) {
    const LayerLoad load = layer_load(plan, layer);
    bound += lower_bound(request_of(plan, load), load, model);
  }
  return bound * plan.layout.micro_batches;
}

}  // namespace moesaic::planner
