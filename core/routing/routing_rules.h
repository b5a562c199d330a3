#pragma once
// What a plan says of routing before any router has spoken, and the one way from rows per expert to rows per slot.
// Recorded and live routing differ only in where their rows per expert come from.

#include <cstdint>
#include <vector>

#include "core/plan/plan.h"
#include "core/routing/slot_counts.h"
#include "core/schema/table.h"

namespace moesaic {

struct RoutingRules {
  explicit RoutingRules(const Plan& plan);

  Table<int, ExpertPlacement> placement;  // [num_moe_layers]; counts slices where experts are cut
  Table<int, int64_t> tokens;             // [ranks]: of one microbatch
  int ranks, stage_ranks, ep;
  int ranks_per_node;  // inside an expert-parallel group
  int token_copies;    // consecutive ranks that have the same tokens and are one source
  int micro_batches, num_chunks;
  int num_experts, top_k, expert_slices;
  int nodes_reached_once;               // nodes to which tokens go once; 0: once per choice
  int expert_groups, groups_per_token;  // of the model
  bool padded;
  double capacity_factor;  // 0: dropless

  int position(int rank) const { return rank % ep; }  // in the expert-parallel group
  int first_rank(int rank) const { return rank - position(rank); }
  int num_sources() const { return ep / token_copies; }  // of an expert-parallel group
  int first_rank_of(int group, int source) const { return group * ep + source * token_copies; }

  /// Rows per expert that a rank's tokens may take; 0: as many as they like.
  int64_t capacity(int rank) const;
  /// Of `chosen` rows for one expert those that rank sends: all, as many as fit, or always the capacity.
  int64_t sent_rows(int rank, int64_t chosen) const;
  /// expert_rows: [num_sources, num_experts] of the chunk, as they are sent.
  SlotCounts over_slots(int moe_layer, const std::vector<int64_t>& expert_rows) const;
};

/// What a router announces of one MoE layer: rows per expert, [num_chunks, num_experts], then, where tokens go to a
/// node once, rows per node, [num_chunks, nodes].
int64_t announced_counts(const Plan& plan);

/// Rows per (source, expert) under a capacity: ceil(capacity_factor * tokens * top_k / num_experts), at least 1.
int64_t capacity_rows(double capacity_factor, int64_t tokens, int64_t top_k, int64_t num_experts);

/// Rows per expert -> rows per slice of an expert: every slice sees all rows of its expert. [..., num_experts] ->
/// [..., num_experts * slices].
std::vector<int64_t> rows_of_slices(const std::vector<int64_t>& expert_rows, int slices);

/// Rows of each task on each rank, which send none: what binds a model that routes by task.
SlotCounts task_counts(const Plan& plan, const ExpertPlacement& placement, int microbatch);

}  // namespace moesaic
