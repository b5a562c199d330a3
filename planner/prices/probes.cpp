#include "planner/prices/probes.h"

#include <algorithm>
#include <numeric>

#include "core/schema/error.h"
#include "core/technique/lower.h"

namespace moesaic::planner {
namespace {

/// Where tokens are gathered, their number depends on ep; fused parameters, on how many experts a rank holds.
bool ep_is_part(const Plan& plan) {
  return plan.dispatch.gathers_tokens() || (plan.layout.zero == 3 && plan.fused_parameter_bytes > 0);
}

/// Up to two values of ep with this structure, the least.
std::vector<int> values_of_ep(const Plan& plan) {
  const Layout& layout = plan.layout;
  const bool ep_is_all = layout.ep == layout.stage_ranks();
  if (layout.ep == 1 || ep_is_part(plan) || (ep_is_all && layout.ep == layout.tp)) return {layout.ep};
  const int64_t experts = num_placed_experts(plan);
  const int nodes_of = plan.dispatch.all_to_all == AllToAllKind::flat ? 1 : plan.cluster.devices_per_node;
  const int unit = std::lcm(ep_is_all ? layout.tp : 1, nodes_of);
  const int least = 2 * std::max(nodes_of, ep_is_all ? layout.tp : 1);
  std::vector<int> values;
  for (int ep = unit; ep <= experts && values.size() < 2; ep += unit)
    if (ep >= least && experts % ep == 0) values.push_back(ep);
  if (values.empty()) values.push_back(layout.ep);
  return values;
}

std::vector<StepSizes> probe_sizes(const Plan& plan) {
  const Layout& layout = plan.layout;
  const std::vector<int> eps = values_of_ep(plan);
  const bool ep_is_all = layout.ep == layout.stage_ranks(), tp_is_all = layout.tp == layout.stage_ranks();
  const int64_t tokens = plan.dispatch.chunks * plan.workload.tokens_per_sequence();
  if (plan.embedding == Embedding::column_partition)  // looks up the tokens of all ranks: their number is a part of it
    return {{tokens, layout.ep, layout.stage_ranks()}, {2 * tokens, layout.ep, layout.stage_ranks()}};
  const int both = std::lcm(std::lcm(eps.front(), eps.back()), layout.tp);
  const int ranks = ep_is_all ? eps.front() : tp_is_all ? layout.tp : 2 * both;
  const int more = ep_is_all ? eps.back() : tp_is_all ? ranks : 4 * both;
  std::vector<StepSizes> sizes = {{tokens, eps.front(), ranks}, {2 * tokens, eps.front(), ranks}};
  if (more > ranks) sizes.push_back({tokens, ep_is_all ? eps.back() : eps.front(), more});
  if (!ep_is_all && eps.size() > 1 && more > ranks) sizes.push_back({tokens, eps.back(), more});
  return sizes;
}

Plan at_sizes(const Plan& plan, const Model& model, const StepSizes& sizes) {
  Plan probe;
  static_cast<PlanChoices&>(probe) = plan;
  probe.placement.clear();
  probe.gradient_bucket_bytes = 0;
  probe.name = plan.name;
  probe.model = model;
  probe.cluster = plan.cluster;
  probe.workload = plan.workload;
  Layout& layout = probe.layout;
  layout.ranks = sizes.stage_ranks, layout.ep = sizes.ep, layout.pp = 1, layout.micro_batches = 1;
  probe.workload.global_batch = sizes.tokens / plan.workload.tokens_per_sequence() * layout.token_holders();
  return probe;
}

}  // namespace

Probes::Probes(const Plan& plan, const Model& model) : sizes_(probe_sizes(plan)) {
  for (const StepSizes& sizes : sizes_) {
    const Plan probe = at_sizes(plan, model, sizes);
    graphs_.push_back(lower_unverified(probe));  // what is chosen in the end is verified when it is lowered whole
    MOESAIC_CHECK(
        graphs_.back().tasks.size() == first().tasks.size() && graphs_.back().tensors.size() == first().tensors.size(),
        "steps of one structure have the same tasks");
  }
}

SizeForm Probes::solve(const std::vector<double>& values) const {
  SizeForm form;
  form.per_token = (values[1] - values[0]) / static_cast<double>(sizes_[1].tokens - sizes_[0].tokens);
  const auto inverse_step = [&](int StepSizes::*of, size_t probe) {
    return 1.0 / sizes_[probe - 1 == 1 ? 0 : probe - 1].*of - 1.0 / sizes_[probe].*of;
  };
  if (sizes_.size() > 2) form.over_ranks = (values[0] - values[2]) / inverse_step(&StepSizes::stage_ranks, 2);
  if (sizes_.size() > 3) form.over_ep = (values[2] - values[3]) / inverse_step(&StepSizes::ep, 3);
  form.constant = 0;
  form.constant = values[0] - form.at(sizes_[0]);
  return form;
}

StructureKey structure_key(const Plan& plan) {
  const Layout& layout = plan.layout;
  const Dispatch& dispatch = plan.dispatch;
  const bool of_all_ranks = plan.embedding == Embedding::column_partition;
  const auto number = [](auto choice) { return static_cast<int64_t>(choice); };
  return {layout.tp,
          number(layout.tp_tokens),
          layout.expert_slices,
          layout.zero,
          number(layout.recompute),
          number(dispatch.kind),
          number(dispatch.all_to_all),
          dispatch.chunks,
          number(dispatch.exchange),
          number(plan.expert_storage.home),
          plan.prefetch.dense,
          plan.prefetch.experts,
          layout.zero == 3 ? plan.fused_parameter_bytes : 0,
          of_all_ranks ? layout.stage_ranks() : 0,
          ep_is_part(plan) || of_all_ranks ? layout.ep : std::min(layout.ep, 2),
          2 * (layout.ep == layout.stage_ranks()) + (layout.tp == layout.stage_ranks())};
}

}  // namespace moesaic::planner
