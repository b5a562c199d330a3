#include "planner/placement/policies.h"

#include <algorithm>
#include <optional>

#include "planner/placement/contiguous.h"
#include "planner/placement/eplb.h"
#include "planner/placement/eplb_mended.h"
#include "planner/placement/layer_evaluation.h"
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

/// What the policies see of one layer.
struct Layer {
  LayerLoad load;
  PlacementRequest request;
};

EplbTopology eplb_topology(const Plan& plan) {
  const int nodes = std::max(1, plan.layout.ep / std::max(1, plan.cluster.devices_per_node));
  return {static_cast<int>(std::max<int64_t>(1, plan.model.expert_groups)), nodes};
}

/// The fastest of what the other policies make, the first among equals.
PlacementResult best_start(const Layer& layer, const LayerCostModel& model, EplbTopology topology) {
  const PlacementRequest& request = layer.request;
  PlacementResult best = lpt(request);
  if (!best.ok()) return best;
  LayerEvaluation evaluation(layer.load, model, request.num_experts, request.num_ranks);
  double least = evaluation.seconds(best.placement).total();
  for (PlacementResult other : {contiguous(request), eplb_mended(request, topology).placed}) {
    if (!other.ok() || !invalid_reason(other.placement, request.rules).empty()) continue;
    const double seconds = evaluation.seconds(other.placement).total();
    if (seconds >= least) continue;
    least = seconds;
    best = std::move(other);
  }
  return best;
}

PlacementResult searched(const Plan& plan, const Layer& layer, const SlotPrices& slots, uint64_t seed) {
  const LayerCostModel model = layer_cost_model(plan, slots, layer.load);
  PlacementResult result = best_start(layer, model, eplb_topology(plan));
  if (!result.ok()) return result;
  constexpr int64_t kMovesPerLayer = 20'000;  // a few milliseconds; gains after that were below 0.1 % on 256 experts
  SearchOptions options;
  options.seed = seed;
  options.max_evaluations = kMovesPerLayer;
  options.rules = layer.request.rules;
  result.placement = local_search(result.placement, layer.load, model, options).placement;
  return result;
}

bool can_be_contiguous(const Plan& plan) { return num_placed_experts(plan) % plan.layout.ep == 0; }

}  // namespace

const std::vector<std::string>& placement_policies() {
  static const std::vector<std::string> names = {"contiguous", "lpt", "eplb", "local_search"};
  return names;
}

Routing routing_of(const Plan& plan) {
  return {plan.routing,
          plan.model.num_moe_layers(),
          plan.layout.stage_ranks(),
          static_cast<int64_t>(plan.model.num_experts),
          tokens_per_rank(plan) * plan.model.top_k,
          plan.model.top_k};
}

LayerLoad layer_load(const Plan& plan, const Routing& routing, int moe_layer) {
  const int ep = plan.layout.ep, slices = plan.layout.expert_slices, copies = plan.layout.token_copies();
  const auto groups = static_cast<double>(plan.layout.stage_ranks()) / ep;
  if (!plan.routing.recorded() && plan.routing.generator.varies()) {
    std::vector<double> tokens;  // every slice of an expert sees all its rows
    for (const double rows : routing.mean_load(moe_layer))
      tokens.insert(tokens.end(), static_cast<size_t>(slices), rows / groups);
    return even_sources(tokens, ep);
  }
  const int64_t iterations = std::max<int64_t>(1, plan.routing.num_iterations);
  const auto experts = static_cast<size_t>(plan.model.num_experts * slices);
  const double share = 1.0 / (groups * static_cast<double>(iterations) * copies);
  std::vector<double> rows(static_cast<size_t>(ep) * experts, 0.0);
  for (int64_t iteration = 0; iteration < iterations; ++iteration) {
    for (int rank = 0; rank < plan.layout.stage_ranks(); ++rank) {
      const std::vector<int64_t>& counts = routing.counts(iteration, moe_layer, rank);
      for (int copy = 0; copy < copies; ++copy) {
        double* const sent = rows.data() + static_cast<size_t>(rank % ep / copies * copies + copy) * experts;
        for (size_t i = 0; i < experts; ++i)
          sent[i] += static_cast<double>(counts[i / static_cast<size_t>(slices)]) * share;
      }
    }
  }
  return measured_sources(rows, static_cast<int>(experts));
}

LayerCostModel layer_cost_model(const Plan& plan, const SlotPrices& slots, const LayerLoad& load) {
  LayerCostModel model;
  slots.set_curve(model, load.tokens);
  const double passes = plan.workload.phase == WorkloadPhase::training ? 2 : 1;  // backward sends as much as forward
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

namespace {

/// One policy over the layers of a plan.
class Placing {
 public:
  Placing(const Plan& plan, std::string policy) : plan_(plan), policy_(std::move(policy)) {
    if (policy_ == "local_search") slots_.emplace(plan);
  }

  PlacementResult place(const Layer& layer, uint64_t seed) {
    if (policy_ == "contiguous") return contiguous(layer.request);
    if (policy_ == "lpt") return lpt(layer.request);
    if (policy_ == "local_search") return searched(plan_, layer, *slots_, seed);
    const MendedEplb mended = eplb_mended(layer.request, eplb_topology(plan_));
    mended_slots_ += mended.mended_slots;
    return mended.placed;
  }

  std::string remark() const {
    if (policy_ != "eplb") return "";
    std::string text;
    if (mended_slots_ > 0)
      text = std::to_string(mended_slots_) + (mended_slots_ == 1 ? " slot" : " slots") +
             " mended that repeated an expert on its rank";
    const EplbTopology topology = eplb_topology(plan_);
    // Without groups EPLB never looks at nodes, and nobody expects it to.
    if (topology.num_groups > 1 && topology.num_groups % topology.num_nodes != 0)
      text += (text.empty() ? "" : ", ") + std::string("blind to the ") + std::to_string(topology.num_nodes) +
              " nodes, which do not divide " + std::to_string(topology.num_groups) + " groups of experts";
    return text;
  }

 private:
  const Plan& plan_;
  std::string policy_;
  std::optional<SlotPrices> slots_;  // where it asks for seconds
  int64_t mended_slots_ = 0;
};

}  // namespace

PlacedLayers place_layers(const Plan& plan, const std::string& policy, uint64_t seed, int replica_slots) {
  require_form(plan.routing, kPlacementReads, "placement policy " + policy);
  PlacedLayers placed;
  if (policy == "contiguous" && replica_slots == 0 && plan.dispatch.gathers_tokens() && can_be_contiguous(plan)) {
    placed.layers.assign(static_cast<size_t>(plan.model.num_moe_layers()), default_placement(plan));
    return placed;
  }
  Placing placing(plan, policy);
  const Routing routing = routing_of(plan);
  LayerLoad before;
  for (int layer = 0; layer < plan.model.num_moe_layers(); ++layer) {
    LayerLoad load = layer_load(plan, routing, layer);
    if (layer > 0 && load.source_rows == before.source_rows) {  // as under uniform routing: what serves one serves all
      placed.layers.push_back(placed.layers.back());
      continue;
    }
    before = load;
    const PlacementResult result =
        placing.place({load, request_of(plan, load, replica_slots)}, seed + static_cast<uint64_t>(layer));
    if (!result.ok()) return {{}, result.refusal, ""};
    placed.layers.push_back({result.placement.slots_per_rank, result.placement.slot_to_expert});
  }
  placed.remark = placing.remark();
  return placed;
}

Seconds placement_bound(const Plan& plan) {
  const SlotPrices slots(plan);
  const Routing routing = routing_of(plan);
  Seconds bound = 0;
  for (int layer = 0; layer < plan.model.num_moe_layers(); ++layer) {
    const LayerLoad load = layer_load(plan, routing, layer);
    bound += lower_bound(request_of(plan, load), load, layer_cost_model(plan, slots, load));
  }
  return bound * plan.layout.micro_batches;
}

}  // namespace moesaic::planner
