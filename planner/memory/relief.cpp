#include "planner/memory/relief.h"

#include <algorithm>

#include "planner/layout/enumerate.h"
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

/// `lean`: nothing is cached or fetched ahead, as both take memory.
void move_experts(Plan& plan, Tier home, bool lean) {
  plan.expert_storage.home = home;
  plan.expert_storage.cache_entries = home == Tier::storage && !lean ? cache_entries(plan) : 0;
  plan.prefetch.experts = lean ? 0 : 1;
}

/// Weights and moments of all experts: 12 of the 16 bytes per weight (tier_needs.h).
Refusal host_refusal(const Plan& plan) {
  if (plan.cluster.host_memory_bytes == 0) return refused_for("the cluster document gives no host memory");
  const double needed = tier_needs(plan.model, 1).host * 12 / 16,
               there = static_cast<double>(plan.cluster.host_memory_bytes) * plan.cluster.num_nodes;
  if (needed <= there) return {};
  return {"host memory of all nodes must hold " + format_bytes(needed) + " of experts' states and has " +
              format_bytes(there),
          "experts' states do not fit host memory", static_cast<Bytes>(needed), static_cast<Bytes>(there),
          "in host memory of all nodes"};
}

/// alpha = 1 leaves no expert out: a step of many tokens activates all of them. Host memory may hold a smaller cache,
/// which is slower, not impossible.
Refusal storage_refusal(const Plan& plan) {
  if (plan.cluster.storage_bytes == 0) return refused_for("the cluster has no storage");
  TierNeeds needs = tier_needs(plan.model, 1);
  needs.host = 0;
  const auto of_device = static_cast<Bytes>(needs.device / plan.cluster.num_devices());
  if (of_device > plan.cluster.device.usable_memory_bytes())
    return {tier_shortage(needs, plan.cluster), "states do not fit the devices with experts on storage", of_device,
            plan.cluster.device.usable_memory_bytes(), "on the device"};
  return refused_for(tier_shortage(needs, plan.cluster));
}

}  // namespace

std::vector<Relief> memory_reliefs(const Problem& problem, const Plan& plan) {
  std::vector<Relief> ways;
  if (problem.workload.phase != WorkloadPhase::training) return ways;
  const bool staged = plan.layout.pp > 1;  // then neither ZeRO-3 nor lower tiers are lowered
  const int most = staged ? 1 : 3;
  Plan divided = plan;
  divide_states(divided, most);
  const bool divisible = plan.layout.stage_ranks() > 1 && !problem.fixed.has(&Layout::zero) && can_be_lowered(divided);
  if (divisible && plan.layout.zero == 0) ways.push_back({[](Plan& p) { divide_states(p, 1); }, {}});
  if (divisible && !staged) ways.push_back({[](Plan& p) { divide_states(p, 3); }, {}});
  const int zero = divisible ? most : plan.layout.zero;
  const Recompute again = problem.fixed.get(&Layout::recompute).value_or(Recompute::full);
  const auto recompute = [zero, again](Plan& p) {
    if (zero != p.layout.zero) divide_states(p, zero);
    p.layout.recompute = again;
  };
  ways.push_back({recompute, {}});
  if (staged) return ways;
  if (plan.model.num_moe_layers() == 0 || plan.model.routed_by_task || problem.fixed.has(&ExpertStorage::home))
    return ways;
  for (const Tier home : {Tier::host, Tier::storage}) {
    const Refusal refusal = home == Tier::host ? host_refusal(plan) : storage_refusal(plan);
    for (const bool lean : {false, true})
      if (!lean || refusal.empty())
        ways.push_back({[recompute, home, lean](Plan& p) { recompute(p), move_experts(p, home, lean); }, refusal});
  }
  return ways;
}

}  // namespace moesaic::planner
