#pragma once
// The rows that routing moves in one (microbatch, MoE layer, chunk) of one expert-parallel group, by source and
// physical slot. A source is a rank of the group, or what several of them hold alike.

#include <cstdint>
#include <utility>
#include <vector>

#include "core/plan/plan.h"
#include "core/routing/rows.h"

namespace moesaic {

class SlotCounts {
 public:
  SlotCounts(int num_ranks, int slots_per_rank) : SlotCounts(num_ranks, num_ranks, slots_per_rank) {}
  SlotCounts(int num_sources, int num_ranks, int slots_per_rank)
      : num_sources_(num_sources),
        num_ranks_(num_ranks),
        slots_per_rank_(slots_per_rank),
        rows_(static_cast<size_t>(num_sources) * num_ranks * slots_per_rank) {}

  int num_sources() const { return num_sources_; }
  int num_ranks() const { return num_ranks_; }
  int slots_per_rank() const { return slots_per_rank_; }
  int64_t& at(int source, int slot) { return rows_[static_cast<size_t>(source) * num_ranks_ * slots_per_rank_ + slot]; }
  int64_t at(int source, int slot) const {
    return rows_[static_cast<size_t>(source) * num_ranks_ * slots_per_rank_ + slot];
  }

  /// Where tokens go to a node once: of source's tokens those that have rows for the node. rows: [num_ranks, nodes].
  void set_once(std::vector<int64_t> rows) { once_ = std::move(rows); }
  int64_t once(int source, int node) const;

  int64_t between(int source, int rank) const;  // rows that source sends to the slots of rank
  int64_t sent(int source) const;
  int64_t received(int rank) const;
  int64_t relayed(int rank, int ranks_per_node)
      const;  // rows that rank (a, r') passes on between phases: all of node a for local rank r' anywhere
  int64_t to_node(int source, int node, int ranks_per_node) const;  // rows that source sends to slots of a node
  int64_t once_sent(int source) const;
  int64_t once_received(int rank, int ranks_per_node) const;  // from all nodes along its rail
  int64_t fanned(int rank, int ranks_per_node) const;         // that they stand for
  std::vector<int64_t> slot_rows(int rank) const;             // [slots_per_rank]
  /// Rows of the rank at this position; `which` is one of those that routing decides, but no window.
  int64_t rows(Rows which, int rank, int ranks_per_node) const;

  /// Rows that `from` sends to `to` (positions in the group) on this leg.
  int64_t leg_rows(Leg leg, int from, int to, int ranks_per_node) const;

 private:
  int num_sources_, num_ranks_, slots_per_rank_;
  std::vector<int64_t> rows_;  // [num_sources, num_ranks * slots_per_rank slots]
  std::vector<int64_t> once_;  // [num_sources, nodes]; empty: tokens go to a node once per choice
};

/// The share of chunk c of C in n rows: floor((c+1) n / C) - floor(c n / C).
int64_t chunk_share(int64_t n, int chunk, int num_chunks);

/// Splits the rows of each (source, expert) over the expert's replicas: replica j of R takes floor((j+1) n / R) -
/// floor(j n / R) rows. expert_rows: [num_sources, num_experts], as many sources as ranks unless given.
SlotCounts split_over_slots(const std::vector<int64_t>& expert_rows, int num_ranks, int num_experts,
                            const ExpertPlacement& placement, int num_sources = 0);

/// The positions of what is true, ascending.
std::vector<int> set_slots(const std::vector<bool>& is_set);

}  // namespace moesaic
