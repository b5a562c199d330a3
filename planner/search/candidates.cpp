#include "planner/search/candidates.h"

#include <algorithm>
#include <limits>

#include "planner/elastic/teams.h"
#include "planner/layout/enumerate.h"
#include "planner/placement/policies.h"

namespace moesaic::planner {
namespace {

constexpr Bytes kMb = 1'000'000;

/// Placing is the costly part of a space: `most` choices are enough for a baseline. Replicas are tried after the
/// placements without.
DecisionSpace placements(const Problem& problem, const Plan& plan, size_t most) {
  DecisionSpace space{"expert placement", {}};
  const auto add = [&](const std::string& policy, int replica_slots, const std::string& name) {
    if (most == 0) return;
    const PlacedLayers placed = place_layers(plan, policy, problem.seed, replica_slots);
    if (placed.refusal.empty()) --most;
    const std::string full_name = placed.remark.empty() ? name : name + " (" + placed.remark + ")";
    space.choices.push_back({full_name, [layers = placed.layers](Plan& p) { p.placement = layers; }, placed.refusal});
  };
  const bool spread = plan.layout.ep > 1;  // else one rank holds all experts
  for (const std::string& policy : placement_policies())
    if (problem.fixed.placement ? *problem.fixed.placement == policy : spread || policy == "contiguous")
      add(policy, 0, policy);
  if (problem.fixed.placement || !spread) return space;
  for (const std::string policy : {"eplb", "local_search"})
    add(policy, kMostReplicaSlots, policy + ", a replica slot per rank");
  return space;
}

DecisionSpace buckets(const Problem& problem, const Plan& plan) {
  DecisionSpace space{"gradient buckets", {}};
  const auto add = [&](Bytes bytes, const std::string& origin) {
    space.choices.push_back({in_words(&Buckets::gradient_bucket_bytes, bytes) + origin,
                             [bytes](Plan& p) { p.gradient_bucket_bytes = bytes; }, ""});
  };
  if (const auto fixed = problem.fixed.get(&Buckets::gradient_bucket_bytes)) {
    add(*fixed, "");
    return space;
  }
  if (plan.workload.phase != WorkloadPhase::training) return space;  // no gradients, no choice
  add(0, "");
  if (plan.layout.ranks == 1) return space;
  const Bytes element = bytes_of(plan.workload.compute_dtype, 1);
  const auto add_default = [&](int64_t million, const std::string& system) {
    add(million * 1'000'000 * element, " (" + system + "'s default: " + std::to_string(million) + "M elements)");
  };
  add_default(500, "DeepSpeed");                                      // reduce_bucket_size 5e8
  add_default(std::max<int64_t>(40, plan.layout.ranks), "Megatron");  // max(40e6, 1e6 dp)
  for (const Bytes mb : {1, 4, 16, 64}) add(mb * kMb, "");
  return space;
}

DecisionSpace chunk_counts(const Problem& problem, const Plan& plan) {
  DecisionSpace space{"chunks", {}};
  const int64_t tokens =
      plan.workload.tokens_per_step() / (int64_t{plan.layout.token_holders()} * plan.layout.micro_batches);
  const auto add = [&space](int chunks) {
    space.choices.push_back(
        {in_words(&Dispatch::chunks, chunks), [chunks](Plan& p) { p.dispatch.chunks = chunks; }, ""});
  };
  const std::optional<int> fixed = problem.fixed.get(&Dispatch::chunks);
  for (int chunks = 1; chunks <= kMostChunks; chunks *= 2) {
    if (fixed && *fixed != chunks) continue;
    if (chunks > 1 && (plan.layout.ep == 1 || plan.dispatch.gathers_tokens())) continue;  // no rows travel
    if (chunks > tokens) continue;                                                        // a piece would be empty
    add(chunks);
  }
  if (space.choices.empty() && fixed) add(*fixed);
  return space;
}

DecisionSpace all_to_alls(const Problem& problem, const Plan& plan) {
  DecisionSpace space{"all-to-all", {}};
  const int local = plan.cluster.devices_per_node;
  const bool spans_nodes = plan.layout.ep > local && plan.layout.ep % local == 0 && !plan.dispatch.gathers_tokens();
  const std::optional<AllToAllKind> fixed = problem.fixed.get(&Dispatch::all_to_all);
  const bool pads = plan.dispatch.kind == DispatchKind::padded;
  for (const AllToAllKind kind : {AllToAllKind::flat, AllToAllKind::hierarchical_2d, AllToAllKind::node_limited}) {
    const bool wanted = fixed ? *fixed == kind : !(pads && kind == AllToAllKind::node_limited);
    if (spans_nodes ? wanted : kind == AllToAllKind::flat)
      space.choices.push_back({name_of(kind), [kind](Plan& p) { p.dispatch.all_to_all = kind; }, ""});
  }
  return space;
}

std::string describe_teams(const std::vector<Team>& teams, const Workload& workload) {
  std::string text;
  for (const Team& team : teams) {
    text += text.empty() ? "" : ", ";
    for (size_t i = 0; i < team.tasks.size(); ++i)
      text += (i > 0 ? "+" : "") + workload.tasks[static_cast<size_t>(team.tasks[i])].name;
    text += ": " + std::to_string(team.ranks);
  }
  return text;
}

/// Ranks per task, balanced, even or all tasks everywhere; or sequences per device, even or by speed.
DecisionSpace shares(const Plan& plan) {
  DecisionSpace space{"share of the ranks", {}};
  const auto add_teams = [&](const std::string& name, const std::vector<Team>& teams) {
    if (!teams.empty())
      space.choices.push_back({name + " (" + describe_teams(teams, plan.workload) + ")",
                               [teams](Plan& p) { p.elastic.teams = teams; }, ""});
  };
  if (plan.model.routed_by_task) {
    const std::vector<int64_t> batches = task_batches(plan.workload, plan.layout.micro_batches);
    add_teams("balanced", balanced_teams(batches, plan.layout.ranks));
    add_teams("even", even_teams(batches, plan.layout.ranks));
    add_teams("all tasks everywhere", one_team(batches, plan.layout.ranks));
  } else if (!plan.cluster.device_speeds.empty() && plan.workload.phase == WorkloadPhase::training) {
    std::vector<double> speeds;
    for (int rank = 0; rank < plan.layout.ranks; ++rank) speeds.push_back(plan.cluster.speed_of(rank));
    const std::vector<int64_t> fair = shares_by_speed(plan.workload.global_batch / plan.layout.micro_batches, speeds);
    space.choices.push_back({"even", [](Plan& p) { p.elastic = {}; }, ""});
    space.choices.push_back({"by device speed", [fair](Plan& p) { p.elastic.sequences_per_rank = fair; }, ""});
  }
  return space;
}

std::vector<DecisionSpace> spaces_of(const Problem& problem, const Plan& plan, size_t most_placements) {
  if (plan.model.routed_by_task) return {buckets(problem, plan), shares(plan)};  // nothing is dispatched
  return {all_to_alls(problem, plan), buckets(problem, plan), placements(problem, plan, most_placements),
          chunk_counts(problem, plan), shares(plan)};
}

}  // namespace

std::vector<DecisionSpace> decision_spaces(const Problem& problem, const Plan& plan) {
  std::vector<DecisionSpace> spaces = spaces_of(problem, plan, std::numeric_limits<size_t>::max());
  std::erase_if(spaces, [](const DecisionSpace& space) { return space.choices.empty(); });
  return spaces;
}

namespace {

void apply_first(const DecisionSpace& space, Plan& plan) {
  const auto first = std::find_if(space.choices.begin(), space.choices.end(),
                                  [](const Choice& choice) { return choice.refusal.empty(); });
  if (first != space.choices.end()) first->apply(plan);
}

}  // namespace

bool same_decisions(const Plan& a, const Plan& b) { return static_cast<const PlanChoices&>(a) == b; }

Plan with_forced_choices(const Problem& problem, Plan plan) {
  if (plan.model.routed_by_task) return plan;  // nothing is dispatched
  for (const DecisionSpace& space : {all_to_alls(problem, plan), buckets(problem, plan), chunk_counts(problem, plan)})
    if (space.choices.size() == 1) space.choices.front().apply(plan);
  return plan;
}

Plan placed_anew(const Problem& problem, Plan plan) {
  plan.placement.clear();
  if (!plan.model.routed_by_task) apply_first(placements(problem, plan, 1), plan);
  return plan;
}

Plan with_baseline_choices(const Problem& problem, Plan plan) {
  for (const DecisionSpace& space : spaces_of(problem, plan, 1)) apply_first(space, plan);
  return plan;
}

}  // namespace moesaic::planner
