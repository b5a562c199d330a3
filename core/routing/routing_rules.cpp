#include "core/routing/routing_rules.h"

#include <algorithm>
#include <cmath>

namespace moesaic {
namespace {

/// A slot per task of the largest team on every rank; what a smaller team leaves over holds no expert.
ExpertPlacement placement_of_tasks(const Elastic& elastic) {
  ExpertPlacement placement;
  for (const Team& team : elastic.teams)
    placement.slots_per_rank = std::max(placement.slots_per_rank, static_cast<int>(team.tasks.size()));
  for (const Team& team : elastic.teams)
    for (int rank = 0; rank < team.ranks; ++rank)
      for (int slot = 0; slot < placement.slots_per_rank; ++slot)
        placement.slot_to_expert.push_back(
            slot < static_cast<int>(team.tasks.size()) ? team.tasks[static_cast<size_t>(slot)] : kNoExpert);
  return placement;
}

std::vector<ExpertPlacement> placement_of(const Plan& plan) {
  const auto layers = static_cast<size_t>(plan.model.num_moe_layers());
  if (plan.model.routed_by_task) return std::vector<ExpertPlacement>(layers, placement_of_tasks(plan.elastic));
  if (!plan.placement.empty()) return plan.placement;
  return std::vector<ExpertPlacement>(layers, default_placement(plan));
}

std::vector<int64_t> tokens_of_ranks(const Plan& plan) {
  std::vector<int64_t> tokens = local_sequences(plan);
  for (int64_t& count : tokens) count *= plan.workload.tokens_per_sequence();
  return tokens;
}

}  // namespace

RoutingRules::RoutingRules(const Plan& plan)
    : placement(Table<int, ExpertPlacement>(placement_of(plan))),
      tokens(Table<int, int64_t>(tokens_of_ranks(plan))),
      ranks(plan.layout.ranks),
      stage_ranks(plan.layout.stage_ranks()),
      ep(plan.layout.ep),
      ranks_per_node(std::min(plan.cluster.devices_per_node, plan.layout.ep)),
      token_copies(plan.layout.token_copies()),
      micro_batches(plan.layout.micro_batches),
      num_chunks(plan.dispatch.chunks),
      num_experts(static_cast<int>(plan.model.num_experts)),
      top_k(static_cast<int>(plan.model.top_k)),
      expert_slices(plan.layout.expert_slices),
      nodes_reached_once(moesaic::nodes_reached_once(plan)),
      expert_groups(static_cast<int>(plan.model.expert_groups)),
      groups_per_token(static_cast<int>(plan.model.groups_per_token)),
      padded(plan.dispatch.kind == DispatchKind::padded),
      capacity_factor(plan.dispatch.capacity_factor) {}

int64_t RoutingRules::capacity(int rank) const {
  return capacity_factor > 0 ? capacity_rows(capacity_factor, tokens[rank], top_k, num_experts) : 0;
}

int64_t RoutingRules::sent_rows(int rank, int64_t chosen) const {
  const int64_t most = capacity(rank);
  if (most == 0) return chosen;
  return padded ? most : std::min(chosen, most);
}

SlotCounts RoutingRules::over_slots(int moe_layer, const std::vector<int64_t>& expert_rows) const {
  return split_over_slots(rows_of_slices(expert_rows, expert_slices), ep, num_experts * expert_slices,
                          placement[moe_layer], num_sources());
}

int64_t announced_counts(const Plan& plan) {
  return plan.dispatch.chunks * (plan.model.num_experts + nodes_reached_once(plan));
}

int64_t capacity_rows(double capacity_factor, int64_t tokens, int64_t top_k, int64_t num_experts) {
  const double mean = static_cast<double>(tokens * top_k) / static_cast<double>(num_experts);
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(capacity_factor * mean)));
}

std::vector<int64_t> rows_of_slices(const std::vector<int64_t>& expert_rows, int slices) {
  std::vector<int64_t> rows;
  rows.reserve(expert_rows.size() * static_cast<size_t>(slices));
  for (int64_t n : expert_rows) rows.insert(rows.end(), static_cast<size_t>(slices), n);
  return rows;
}

SlotCounts task_counts(const Plan& plan, const ExpertPlacement& placement, int microbatch) {
  SlotCounts counts(plan.layout.ranks, placement.slots_per_rank);
  for (int rank = 0; rank < plan.layout.ranks; ++rank) {
    int slot = rank * placement.slots_per_rank;
    for (const SequenceRange& range : local_batch(plan, rank, microbatch))
      counts.at(rank, slot++) = range.count * plan.workload.sequence_length;
  }
  return counts;
}

}  // namespace moesaic
