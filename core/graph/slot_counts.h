#pragma once
// The rows that routing moves in one (microbatch, MoE layer, chunk) of one expert-parallel group, by source and
// physical slot. This is where symbolic sizes become numbers, for the simulator (from a routing document) and the
// executor (from the live router) alike.

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "core/graph/task_graph.h"
#include "core/schema/routing.h"

namespace moesaic {

class SlotCounts {
 public:
  SlotCounts(int num_ranks, int slots_per_rank)
      : num_ranks_(num_ranks),
        slots_per_rank_(slots_per_rank),
        rows_(static_cast<size_t>(num_ranks) * num_ranks * slots_per_rank) {}

  int num_ranks() const { return num_ranks_; }
  int slots_per_rank() const { return slots_per_rank_; }
  int64_t& at(int source, int slot) { return rows_[static_cast<size_t>(source) * num_ranks_ * slots_per_rank_ + slot]; }
  int64_t at(int source, int slot) const {
    return rows_[static_cast<size_t>(source) * num_ranks_ * slots_per_rank_ + slot];
  }

  int64_t between(int source, int rank) const;  // rows that source sends to the slots of rank
  int64_t sent(int source) const;
  int64_t received(int rank) const;
  int64_t relayed(int rank, int ranks_per_node)
      const;  // rows that rank (a, r') passes on between phases: all of node a for local rank r' anywhere
  std::vector<int64_t> slot_rows(int rank) const;  // [slots_per_rank]

  /// Rows that `from` sends to `to` (positions in the group) on this leg.
  int64_t leg_rows(Leg leg, int from, int to, int ranks_per_node) const;

 private:
  int num_ranks_, slots_per_rank_;
  std::vector<int64_t> rows_;  // [num_ranks sources, num_ranks * slots_per_rank slots]
};

/// Splits the rows of each (source, expert) over the expert's replicas: replica j of R takes floor((j+1) n / R) -
/// floor(j n / R) rows. expert_rows: [num_ranks, num_experts].
SlotCounts split_over_slots(const std::vector<int64_t>& expert_rows, int num_ranks, int num_experts,
                            const ExpertPlacement& placement);

/// Rows of each task on each rank, which send none: what binds a model that routes by task.
SlotCounts task_counts(const Plan& plan, const ExpertPlacement& placement, int microbatch);

/// Rows per expert -> rows per slice of an expert: every slice sees all rows of its expert. [..., num_experts] ->
/// [..., num_experts * slices].
std::vector<int64_t> rows_of_slices(const std::vector<int64_t>& expert_rows, int slices);

/// The share of chunk c of C in n rows: floor((c+1) n / C) - floor(c n / C).
int64_t chunk_share(int64_t n, int chunk, int num_chunks);

/// Rows per (source, expert) under a capacity: ceil(capacity_factor * tokens * top_k / num_experts), at least 1.
int64_t capacity_rows(double capacity_factor, int64_t tokens, int64_t top_k, int64_t num_experts);

/// The task after which a rank knows the rows per expert of its microbatch and layer from all ranks of its
/// expert-parallel group, whose rows it sends and receives: the last tensor that it writes, [ep, chunks, num_experts].
bool announces_counts(const Task& task, const Plan& plan);

/// The MoE layers whose counts of the whole stage the task gathers, [ranks of a stage, layers, chunks, num_experts];
/// none for every other task, and where an expert-parallel group is the stage.
std::vector<int> layers_gathered(const TaskGraph& graph, const Task& task);

/// Slot counts from a routing document, memoised: what the simulator binds a graph with. `first_rank` is the first rank
/// of the group.
class RoutingBinding {
 public:
  /// `graph` and `plan` must outlive the binding.
  RoutingBinding(const TaskGraph& graph, const Plan& plan);

  /// Counts of the expert-parallel group of `rank`. `iteration` = step * micro_batches + microbatch.
  const SlotCounts& counts(int64_t iteration, int moe_layer, int rank, int chunk, int num_chunks) const;

  /// The slots of `rank` that the rows of a window stand for, ascending. What was predicted is what was active one
  /// iteration before; before the first one stands the last that is recorded, or one of the next step.
  std::vector<int> slots(Rows window, int64_t iteration, int moe_layer, int rank) const;

  /// Rows of a task, bytes of a tensor of `rank`; their microbatch is added to `iteration` (= step * micro_batches).
  int64_t rows(const Task& task, int rank, int64_t iteration) const;
  Bytes bytes(const Tensor& tensor, int rank, int64_t iteration) const;

 private:
  template <class TaskOrTensor>
  int64_t bound_rows(const TaskOrTensor& item, int rank, int64_t iteration) const;
  std::vector<int64_t> slot_rows(int64_t iteration, int moe_layer, int rank) const;

  const TaskGraph& graph_;
  const Plan& plan_;
  int ranks_per_node_;
  int ep_;
  Routing routing_;
  using Key = std::array<int64_t, 5>;  // iteration, MoE layer, group, chunk, num_chunks
  mutable std::map<Key, SlotCounts> memo_;
};

}  // namespace moesaic
