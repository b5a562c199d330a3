#pragma once
// What the router has announced in this step: the rows that bind a rank's tasks, and the expert slots that have rows.
// It copies nothing from devices and starts nothing.

#include <cstdint>
#include <span>
#include <vector>

#include "core/graph/slot_counts.h"

namespace moesaic::executor {

class LiveRouting {
 public:
  /// `graph` and `plan` must outlive it. `moves_experts`: expert states live outside the device, and what of them is
  /// moved follows the slots that have rows.
  LiveRouting(const TaskGraph& graph, const Plan& plan, int rank, bool moves_experts);

  /// Forgets the step before. What tasks decide instead of a router is known at once.
  void start_step();
  /// Whether the task makes rows per expert (counts_made_by()) that the host has to know.
  bool announces(const Task& task) const;
  /// Those rows: [ep, chunks, num_experts] of the expert-parallel group, or those of several layers of a whole stage,
  /// [ranks, layers, chunks, num_experts].
  void bind(const Task& task, std::span<const int32_t> counts);

  /// [num_chunks] of the task's microbatch and MoE layer; empty before they are bound, and outside MoE layers.
  std::span<const SlotCounts> counts_of(const Task& task) const;
  /// Slots of the task's layer that have rows: here for weights, on any rank with the same experts for gradients and,
  /// over all microbatches, for updates. Ascending; none where the task's demand is not about active slots.
  std::vector<int> active_slots(const Task& task) const;
  /// [micro_batches, num_moe_layers, num_experts]: rows that this rank's tokens have sent in this step.
  const std::vector<int64_t>& expert_rows() const { return expert_rows_; }

 private:
  void bind_group(const Task& task, std::span<const int32_t> counts);
  std::vector<int64_t> group_rows(std::span<const int32_t> counts, int chunk) const;
  void bind_used_slots(int microbatch, int moe_layer, std::span<const int32_t> counts, int ranks, int64_t stride);
  void mark_active(const Task& task, size_t key, std::vector<bool>& active) const;
  size_t key_of(int microbatch, int moe_layer) const {
    return static_cast<size_t>(microbatch) * graph_.placement.size() + static_cast<size_t>(moe_layer);
  }

  const TaskGraph& graph_;
  const Plan& plan_;
  const int rank_, position_, group_first_rank_;  // position: in the expert-parallel group
  const bool moves_experts_;
  std::vector<std::vector<SlotCounts>> counts_;  // [micro_batches * num_moe_layers][chunks]
  std::vector<std::vector<bool>> used_slots_;    // [micro_batches * num_moe_layers][slots]: by any replica's tokens
  std::vector<int64_t> expert_rows_;
};

}  // namespace moesaic::executor
