#include "planner/layout/enumerate.h"

#include <algorithm>
#include <functional>

#include "core/blocks/model_blocks.h"
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
  return ranks % ep == 0 && problem.model.num_experts * problem.fixed.get(&Layout::expert_slices).value_or(1) % ep == 0;
}

/// Where ranks gather tokens, a group is of whole tensor-parallel groups, and of two ranks or more.
bool ep_is_possible(const Problem& problem, const Layout& base, int ep) {
  const bool gathers = base.token_copies() > 1 || problem.fixed.get(&Dispatch::exchange) == ExpertExchange::all_gather;
  return problem.fixed.get(&Layout::ep).value_or(ep) == ep && (!gathers || (ep > 1 && ep % base.token_copies() == 0));
}

/// Layouts like `base` with every ep and number of microbatches that divides; `base.token_holders()` share the batch.
std::vector<LayoutCandidate> splits_of(const Problem& problem, const Layout& base) {
  std::vector<LayoutCandidate> candidates;
  const int ranks = std::max(1, base.stage_ranks());
  const std::vector<int> micro_batches = dividing_micro_batches(problem, std::max(1, base.token_holders()));
  for (int ep = ranks; ep >= 1; --ep) {
    if (!experts_divide(problem, ranks, ep) || !ep_is_possible(problem, base, ep)) continue;
    for (const int count : micro_batches) {
      Layout layout = base;
      layout.ep = ep;
      layout.micro_batches = count;
      candidates.push_back({layout, {}});
    }
  }
  return candidates;
}

Refusal refusal_of(const Problem& problem, const Layout& layout) {
  return problem.stop() ? not_looked_at() : memory_refusal(baseline_plan(problem, layout));
}

/// The candidates after a change of their layouts, where they can then be lowered.
std::vector<LayoutCandidate> with_layouts(const Problem& problem, std::vector<LayoutCandidate> candidates,
                                          const std::function<void(Layout&)>& change) {
  for (LayoutCandidate& candidate : candidates) change(candidate.layout);
  std::erase_if(candidates, [&](const LayoutCandidate& candidate) {
    return problem.stop() || !can_be_lowered(baseline_plan(problem, candidate.layout));
  });
  for (LayoutCandidate& candidate : candidates) candidate.refusal = refusal_of(problem, candidate.layout);
  return candidates;
}

bool any_fits(const std::vector<LayoutCandidate>& candidates) {
  return std::any_of(candidates.begin(), candidates.end(),
                     [](const auto& candidate) { return candidate.refusal.empty(); });
}

bool may_be_staged(const Problem& problem) {
  return problem.workload.phase == WorkloadPhase::training && !problem.model.routed_by_task &&
         !problem.fixed.has(&Layout::pp) &&
         // What is of all ranks is not of stages.
         problem.fixed.get(&EmbeddingTable::embedding).value_or(Embedding::replicated) == Embedding::replicated &&
         problem.fixed.get(&ExpertStorage::home).value_or(Tier::device) == Tier::device &&
         problem.fixed.get(&Layout::zero).value_or(0) <= 1;
}

/// The layouts like `base` with their layers spread over `pp` stages, where that fits.
std::vector<LayoutCandidate> in_stages(const Problem& problem, Layout base, int pp) {
  base.pp = pp;
  if (base.ranks % pp != 0 || problem.model.num_layers < pp) return {};
  std::vector<LayoutCandidate> staged = splits_of(problem, base);
  std::erase_if(staged, [&](const LayoutCandidate& candidate) {
    return !can_be_lowered(baseline_plan(problem, candidate.layout)) || !refusal_of(problem, candidate.layout).empty();
  });
  return staged;
}

void append(std::vector<LayoutCandidate>& to, std::vector<LayoutCandidate> from) {
  for (LayoutCandidate& candidate : from) to.push_back(std::move(candidate));
}

/// Of inference: tensor parallelism over 2, 4, ... ranks that all have the same tokens, unless `base` says over how
/// many.
std::vector<LayoutCandidate> with_replicated_tokens(const Problem& problem, const Layout& base) {
  std::vector<LayoutCandidate> candidates;
  if (problem.workload.phase == WorkloadPhase::training || problem.model.routed_by_task || base.token_copies() > 1 ||
      problem.fixed.get(&Layout::tp_tokens) == GroupTokens::split ||
      problem.fixed.get(&Dispatch::exchange).value_or(ExpertExchange::all_gather) != ExpertExchange::all_gather)
    return candidates;
  for (int tp = 2; tp <= base.ranks; tp *= 2) {
    if (problem.fixed.get(&Layout::tp).value_or(tp) != tp || base.ranks % tp != 0) continue;
    Layout layout = base;
    layout.tp = tp;
    layout.tp_tokens = GroupTokens::replicated;
    append(candidates, splits_of(problem, layout));
  }
  return with_layouts(problem, std::move(candidates), [](Layout&) {});
}

/// Where nothing fits: optimizer states divided; then tensors cut over ranks of a node too; then layers spread over
/// stages, unless that is fixed.
void add_reliefs(const Problem& problem, Layout base, std::vector<LayoutCandidate>& candidates) {
  std::vector<LayoutCandidate> whole = candidates;
  const bool training = problem.workload.phase == WorkloadPhase::training;
  if (training && !problem.fixed.has(&Layout::zero) && base.stage_ranks() > 1 && !any_fits(candidates)) {
    std::vector<LayoutCandidate> divided = with_layouts(problem, whole, [](Layout& layout) { layout.zero = 1; });
    append(candidates, divided);
    if (!divided.empty()) base.zero = 1, whole = std::move(divided);
  }
  for (int tp = 2; tp <= 8 && !problem.fixed.has(&Layout::tp) && !any_fits(candidates); tp *= 2)
    append(candidates, with_layouts(problem, whole, [tp](Layout& layout) { layout.tp = tp; }));
  if (!may_be_staged(problem)) return;
  for (int pp = 2; pp <= base.ranks && !any_fits(candidates); ++pp) append(candidates, in_stages(problem, base, pp));
}

}  // namespace

Refusal memory_refusal(const Plan& plan) {
  const TaskGraph graph = lower(plan);
  const Bytes capacity = plan.cluster.device.usable_memory_bytes();
  Bytes resident = 0;
  for (int stage = 0; stage < graph.num_stages; ++stage)
    resident = std::max(resident, resident_bytes(graph, Tier::device, stage));
  if (resident <= capacity) return {};
  const std::string what = plan.workload.phase == WorkloadPhase::training ? "parameters, gradients and optimizer state"
                                                                          : "parameters and key-value cache";
  return {what + " of one rank take " + format_bytes(static_cast<double>(resident)) + "; the device has " +
              usable_memory_text(plan.cluster.device),
          what + " do not fit", resident, capacity, "on the device"};
}

std::vector<int> dividing_micro_batches(const Problem& problem, int ranks) {
  const Workload& workload = problem.workload;
  std::vector<int> counts = {1};
  if (workload.phase == WorkloadPhase::training) counts = {1, 2, 4, 8, 16, 32, 64};
  if (const std::optional<int> fixed = problem.fixed.get(&Layout::micro_batches)) counts = {*fixed};
  std::erase_if(counts, [&](int count) {
    for (const WorkloadTask& task : workload.tasks)
      if (task.batch % count != 0) return true;
    if (workload.global_batch % count != 0) return true;
    const int64_t micro_batch = workload.global_batch / count;
    return workload.tasks.empty() ? micro_batch % ranks != 0 : micro_batch < ranks;
  });
  return counts;
}

std::string lowering_refusal(const Plan& plan) {
  try {
    check_plan(plan, "");
    return "";
  } catch (const InputError& error) {
    return error.what();
  }
}

bool can_be_lowered(const Plan& plan) { return lowering_refusal(plan).empty(); }

std::vector<int64_t> task_batches(const Workload& workload, int micro_batches) {
  std::vector<int64_t> batches;
  for (const WorkloadTask& task : workload.tasks) batches.push_back(task.batch / micro_batches);
  return batches;
}

Plan baseline_plan(const Problem& problem, const Layout& layout) {
  Plan plan;
  plan.name = problem.model.name + " on " + problem.cluster.name;
  problem.fixed.apply(plan, problem.workload.phase);
  // What is searched for among decision_spaces() begins at its default, also where only one choice is left there.
  plan.dispatch.all_to_all = AllToAllKind::flat;
  plan.dispatch.chunks = 1;
  plan.gradient_bucket_bytes = 0;
  plan.layout = layout;
  if (layout.token_copies() > 1) plan.dispatch.exchange = ExpertExchange::all_gather;  // no other way leads to experts
  plan.model = problem.model;
  plan.cluster = problem.cluster;
  plan.workload = problem.workload;
  plan.routing = problem.routing;
  plan.profile = problem.profile;
  plan.seed = problem.seed;
  if (plan.model.routed_by_task)
    plan.elastic.teams = balanced_teams(task_batches(plan.workload, layout.micro_batches), layout.ranks);
  return plan;
}

namespace {

/// What the problem fixes of a layout.
Layout fixed_layout(const Problem& problem) {
  PlanChoices fixed;
  problem.fixed.apply(fixed, problem.workload.phase);
  fixed.layout.ranks = problem.ranks > 0 ? problem.ranks : problem.cluster.num_devices();
  return fixed.layout;
}

/// Batch or experts divide over no layout.
[[noreturn]] void refuse_division(const Problem& problem) {
  const Layout fixed = fixed_layout(problem);
  const int ranks = fixed.token_holders();
  if (fixed.stage_ranks() % fixed.token_copies() != 0)
    throw InputError(
        problem.files.preset, "/layout/tp",
        "tp " + std::to_string(fixed.tp) + " does not divide " + std::to_string(fixed.stage_ranks()) + " ranks",
        "a tp that divides them", "or leave it open");
  if (const std::optional<int> ep = problem.fixed.get(&Layout::ep); ep && !experts_divide(problem, ranks, *ep))
    throw InputError(problem.files.preset, "/layout/ep",
                     std::to_string(problem.model.num_experts) + " experts and " + std::to_string(ranks) +
                         " ranks do not divide with the fixed ep " + std::to_string(*ep),
                     "an ep that divides both", "or leave it open");
  throw InputError(
      problem.files.workload, "/global_batch", undivided(problem, ranks) + " divide over no layout",
      "an expert count that shares a divisor with the ranks, and a global batch that is a multiple of the ranks",
      "change global_batch in the workload, or --ranks");
}

/// What no layout mends: a model and a workload or a recording that do not go together.
void check_pair(const Problem& problem) {
  const std::string model = "model " + problem.model.name;
  if (problem.model.routed_by_task && problem.workload.tasks.empty())
    throw InputError(problem.files.workload, "/tasks",
                     model + " is routed by task and workload " + problem.workload.name + " has no tasks",
                     "a workload with `tasks`, each with its batch", "add `tasks` to the workload");
  if (!problem.model.routed_by_task && !problem.workload.tasks.empty())
    throw InputError(problem.files.workload, "/tasks", "are given, and " + model + " has a router",
                     "no tasks, or a model with \"routing\": \"task\"", "");
  check_recorded_shape(problem.routing, problem.model.num_moe_layers(), problem.model.num_experts,
                       problem.files.routing, "");
  if (const std::string part = unlowered_part(problem.model); !part.empty())
    throw InputError(problem.files.model, "", "has " + part + ", which no block computes",
                     "attention that sees all keys or a window in every layer",
                     "`moesaic validate` says its parameters, weights and cache; plan another model");
}

}  // namespace

std::vector<LayoutCandidate> enumerate_layouts(const Problem& problem) {
  check_pair(problem);
  Layout base = fixed_layout(problem);
  std::vector<LayoutCandidate> candidates;
  const bool asks_for_groups = base.tp_tokens == GroupTokens::replicated && !problem.fixed.has(&Layout::tp) &&
                               problem.workload.phase != WorkloadPhase::training;
  if (!asks_for_groups) candidates = splits_of(problem, base);
  // A batch that is too small for all ranks may divide over those of a stage.
  while (candidates.empty() && may_be_staged(problem) &&
         base.pp < std::min<int64_t>(base.ranks, problem.model.num_layers))
    if (base.ranks % ++base.pp == 0) candidates = splits_of(problem, base);
  std::vector<LayoutCandidate> replicated = with_replicated_tokens(problem, base);
  if (candidates.empty() && replicated.empty()) refuse_division(problem);
  for (LayoutCandidate& candidate : candidates) {
    const bool first = &candidate == &candidates.front();  // one layout is worth more than none
    if (first || !problem.stop()) check_plan(baseline_plan(problem, candidate.layout), problem.files.preset);
    candidate.refusal =
        first ? memory_refusal(baseline_plan(problem, candidate.layout)) : refusal_of(problem, candidate.layout);
  }
  append(candidates, std::move(replicated));
  add_reliefs(problem, base, candidates);
  return candidates;
}

}  // namespace moesaic::planner
