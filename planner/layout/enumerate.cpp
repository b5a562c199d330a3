#include "planner/layout/enumerate.h"

#include <algorithm>

#include "core/graph/memory.h"
#include "core/schema/error.h"
#include "core/technique/lower.h"
#include "planner/elastic/teams.h"

namespace moesaic::planner {
namespace {

/// What does not divide, for the refusal of a problem without a layout.
std::string undivided(const Problem& problem, int ranks) {
  return std::to_string(problem.model.num_experts) + " experts and a global batch of " +
         std::to_string(problem.workload.global_batch) + " sequences over " + std::to_string(ranks) + " ranks";
}

bool experts_divide(const Problem& problem, int ranks, int ep) {
  if (problem.model.routed_by_task) return ep == ranks;  // teams place the experts
  return ranks % ep == 0 && problem.model.num_experts * problem.fixed.expert_slices.value_or(1) % ep == 0;
}

bool batch_divides(const Problem& problem, int ranks, int micro_batches) {
  const Workload& workload = problem.workload;
  for (const WorkloadTask& task : workload.tasks)
    if (task.batch % micro_batches != 0) return false;
  const int64_t micro_batch = workload.global_batch / micro_batches;
  if (workload.global_batch % micro_batches != 0) return false;
  return workload.tasks.empty() ? micro_batch % ranks == 0 : micro_batch >= ranks;
}

/// The candidates with attention and dense FFN cut over `tp` ranks of a node.
std::vector<LayoutCandidate> cut_over(const Problem& problem, const std::vector<LayoutCandidate>& whole, int tp) {
  const Model& model = problem.model;
  const int64_t dense = model.num_moe_layers() < model.num_layers ? model.dense_intermediate : 0;
  std::vector<LayoutCandidate> cut;
  for (LayoutCandidate candidate : whole) {
    if (problem.stop()) break;
    candidate.layout.tp = tp;
    const int64_t wholes[] = {candidate.layout.ranks, problem.cluster.devices_per_node, model.num_heads,
                              model.num_kv_heads, dense};
    const bool divides = std::all_of(std::begin(wholes), std::end(wholes), [&](int64_t n) { return n % tp == 0; });
    if (!divides || model.latent_attention || model.routed_by_task) continue;
    candidate.refusal = memory_refusal(baseline_plan(problem, candidate.layout));
    cut.push_back(std::move(candidate));
  }
  return cut;
}

/// The candidates with their layers spread over `pp` stages, where that fits.
std::vector<LayoutCandidate> in_stages(const Problem& problem, const std::vector<LayoutCandidate>& whole, int pp) {
  std::vector<LayoutCandidate> staged;
  for (LayoutCandidate candidate : whole) {
    if (problem.stop()) break;
    Layout& layout = candidate.layout;
    if (layout.ranks % (pp * layout.ep) != 0 || problem.model.num_layers < pp || layout.zero > 1) continue;
    layout.pp = pp;
    candidate.refusal = memory_refusal(baseline_plan(problem, layout));
    if (candidate.refusal.empty()) staged.push_back(std::move(candidate));
  }
  return staged;
}

bool any_fits(const std::vector<LayoutCandidate>& candidates) {
  return std::any_of(candidates.begin(), candidates.end(),
                     [](const auto& candidate) { return candidate.refusal == ""; });
}

/// Where nothing fits: tensors cut over ranks of a node, then layers spread over stages, unless that is fixed.
void add_reliefs(const Problem& problem, std::vector<LayoutCandidate>& candidates) {
  const std::vector<LayoutCandidate> whole = candidates;
  for (int tp = 2; tp <= 8 && !problem.fixed.tp && !any_fits(candidates); tp *= 2)
    for (LayoutCandidate& candidate : cut_over(problem, whole, tp)) candidates.push_back(std::move(candidate));
  if (problem.workload.phase != WorkloadPhase::training || problem.model.routed_by_task || problem.fixed.pp) return;
  if (problem.fixed.embedding || problem.fixed.expert_storage) return;  // of all ranks, not of stages
  for (int pp = 2; pp <= whole[0].layout.ranks && !any_fits(candidates); pp *= 2)
    for (LayoutCandidate& candidate : in_stages(problem, whole, pp)) candidates.push_back(std::move(candidate));
}

}  // namespace

std::string memory_refusal(const Plan& plan) {
  const TaskGraph graph = lower(plan);
  const Bytes capacity = plan.cluster.device.memory_bytes;
  Bytes resident = 0;
  for (int stage = 0; stage < graph.num_stages; ++stage)
    resident = std::max(resident, resident_bytes(graph, Tier::device, stage));
  if (resident <= capacity) return "";
  const bool training = plan.workload.phase == WorkloadPhase::training;
  return std::string(training ? "parameters, gradients and optimizer state" : "parameters and key-value cache") +
         " of one rank take " + format_bytes(static_cast<double>(resident)) + "; the device has " +
         format_bytes(static_cast<double>(capacity)) +
         (plan.layout.ep < plan.layout.ranks ? "; a larger ep would lift it"
                                             : "; more devices or a smaller model would lift it");
}

std::vector<int64_t> task_batches(const Workload& workload, int micro_batches) {
  std::vector<int64_t> batches;
  for (const WorkloadTask& task : workload.tasks) batches.push_back(task.batch / micro_batches);
  return batches;
}

Plan baseline_plan(const Problem& problem, const Layout& layout) {
  Plan plan;
  plan.name = problem.model.name + " on " + problem.cluster.name;
  plan.layout = layout;
  plan.model = problem.model;
  plan.cluster = problem.cluster;
  plan.workload = problem.workload;
  plan.routing = problem.routing;
  plan.profile = problem.profile;
  plan.seed = problem.seed;
  plan.dispatch.kind = problem.fixed.dispatch.value_or(DispatchKind::ragged);
  plan.dispatch.capacity_factor = problem.fixed.capacity_factor.value_or(0);
  if (layout.zero == 3) {
    plan.fused_parameter_bytes = problem.fixed.fused_parameter_bytes.value_or(0);
    plan.prefetch.dense = problem.fixed.prefetch_dense.value_or(0);
  }
  if (plan.workload.phase == WorkloadPhase::training) {
    plan.embedding = problem.fixed.embedding.value_or(Embedding::replicated);
    plan.expert_storage = problem.fixed.expert_storage.value_or(ExpertStorage{});
    plan.prefetch.experts = problem.fixed.prefetch_experts.value_or(0);
  }
  if (plan.model.routed_by_task)
    plan.elastic.teams = balanced_teams(task_batches(plan.workload, layout.micro_batches), layout.ranks);
  return plan;
}

namespace {

/// What the problem fixes of a layout; inference has no training states.
Layout fixed_layout(const Problem& problem) {
  const Fixed& fixed = problem.fixed;
  Layout layout;
  layout.ranks = problem.ranks > 0 ? problem.ranks : problem.cluster.num_devices();
  layout.tp = fixed.tp.value_or(1);
  layout.expert_slices = fixed.expert_slices.value_or(1);
  if (problem.workload.phase != WorkloadPhase::training) return layout;
  layout.zero = fixed.zero.value_or(0);
  layout.pp = fixed.pp.value_or(1);
  layout.recompute = fixed.recompute.value_or(Recompute::none);
  return layout;
}

}  // namespace

std::vector<LayoutCandidate> enumerate_layouts(const Problem& problem) {
  if (problem.model.routed_by_task && problem.workload.tasks.empty())
    throw InputError(
        "", "",
        "model " + problem.model.name + " is routed by task and workload " + problem.workload.name + " has no tasks",
        "a workload with `tasks`, each with its batch", "add `tasks` to the workload");
  const Layout fixed = fixed_layout(problem);
  const int ranks = std::max(1, fixed.stage_ranks());
  const bool training = problem.workload.phase == WorkloadPhase::training;
  std::vector<LayoutCandidate> candidates;
  for (int ep = ranks; ep >= 1; --ep) {
    if (!experts_divide(problem, ranks, ep)) continue;
    if (problem.fixed.ep && *problem.fixed.ep != ep) continue;
    for (int micro_batches = 1; micro_batches <= 64; micro_batches *= 2) {
      if (problem.fixed.micro_batches && *problem.fixed.micro_batches != micro_batches) continue;
      if (!training && micro_batches > 1) break;
      if (!batch_divides(problem, ranks, micro_batches)) continue;
      Layout layout = fixed;
      layout.ep = ep;
      layout.micro_batches = micro_batches;
      candidates.push_back({layout, ""});
    }
  }
  if (candidates.empty())
    throw InputError(
        "", "", undivided(problem, ranks) + " divide over no layout" + (problem.fixed.ep ? " with the fixed ep" : ""),
        "an expert count that shares a divisor with the ranks, and a global batch that is a multiple of the ranks",
        "change global_batch in the workload, or --ranks");
  for (LayoutCandidate& candidate : candidates) {
    if (&candidate != &candidates.front() && problem.stop()) {  // one layout is worth more than none
      candidate.refusal = "not looked at: the search was ended";
      continue;
    }
    check_plan(baseline_plan(problem, candidate.layout), "");
    candidate.refusal = memory_refusal(baseline_plan(problem, candidate.layout));
  }
  add_reliefs(problem, candidates);
  return candidates;
}

}  // namespace moesaic::planner
