#include "planner/memory/relief.h"

#include <algorithm>

#include "planner/layout/training_states.h"
#include "planner/memory/tier_needs.h"

namespace moesaic::planner {
namespace {

/// Expert slots whose states fit into a rank's part of host memory, beside the gradients of all of them.
int64_t cache_entries(const Plan& plan) {
  const Model& m = plan.model;
  const int64_t slots = m.num_experts * m.num_moe_layers() / plan.layout.ep;
  const Bytes host = plan.cluster.host_memory_bytes / std::min(plan.cluster.devices_per_node, plan.layout.ranks);
  const Bytes left = host - bytes_of(plan.workload.compute_dtype, slots * m.expert_parameters());
  return std::clamp<int64_t>(left / (12 * m.expert_parameters()), 0, slots);
}

void move_experts(Plan& plan, Tier home) {
  plan.expert_storage.home = home;
  plan.expert_storage.cache_entries = home == Tier::storage ? cache_entries(plan) : 0;
  plan.prefetch.experts = 1;
}

/// alpha = 1 leaves no expert out: a step of many tokens activates all of them.
std::string storage_refusal(const Plan& plan, bool with_host) {
  if (plan.cluster.storage_bytes == 0) return "the cluster has no storage";
  TierNeeds needs = tier_needs(plan.model, 1);
  if (!with_host) needs.host = 0;  // a smaller cache is slower, not impossible
  return tier_shortage(needs, plan.cluster);
}

}  // namespace

std::vector<Choice> memory_reliefs(const Problem& problem, const Plan& plan) {
  std::vector<Choice> ways;
  if (problem.workload.phase != WorkloadPhase::training) return ways;
  const bool staged = plan.layout.pp > 1;  // then neither ZeRO-3 nor lower tiers are lowered
  const bool divisible = plan.layout.stage_ranks() > 1 && !problem.fixed.zero;
  const auto add = [&](const std::string& name, std::function<void(Plan&)> apply, const std::string& refusal) {
    ways.push_back({name, std::move(apply), refusal});
  };
  if (divisible && plan.layout.zero == 0)
    add(
        "ZeRO-1", [](Plan& p) { divide_states(p, 1); }, "");
  if (divisible && !staged)
    add(
        "ZeRO-3, 1 layer ahead", [](Plan& p) { divide_states(p, 3); }, "");
  const int stage = !divisible ? plan.layout.zero : staged ? 1 : 3;
  const Recompute again = problem.fixed.recompute.value_or(Recompute::full);
  const auto recompute = [stage, again](Plan& p) {
    if (stage != p.layout.zero) divide_states(p, stage);
    p.layout.recompute = again;
  };
  const std::string divided = divisible ? "ZeRO-" + std::to_string(stage) + ", recompute" : "recompute";
  add(divided, recompute, "");
  if (staged) return ways;
  if (plan.model.num_moe_layers() == 0 || plan.model.routed_by_task || problem.fixed.expert_storage) return ways;
  const std::string with_recompute = divided + ", experts ";
  const bool host_fits = tier_needs(plan.model, 1).host * 12 / 16 <=
                         static_cast<double>(plan.cluster.host_memory_bytes) * plan.cluster.num_nodes;
  add(
      with_recompute + "in host memory", [recompute](Plan& p) { recompute(p), move_experts(p, Tier::host); },
      host_fits ? "" : "host memory cannot hold the experts' states");
  add(
      with_recompute + "on storage", [recompute](Plan& p) { recompute(p), move_experts(p, Tier::storage); },
      storage_refusal(plan, false));
  return ways;
}

}  // namespace moesaic::planner
