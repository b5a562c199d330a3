#pragma once
// Live routing as the tasks of a step ask for it: which of them announce counts, and what these bind.

#include <cstdint>
#include <span>
#include <vector>

#include "core/graph/task_graph.h"
#include "core/routing/live_routing.h"

namespace moesaic::executor {

class TaskRouting {
 public:
  /// `graph` and `plan` must outlive it. `moves_experts`: expert states live outside the device, and what of them is
  /// moved follows the slots that have rows.
  TaskRouting(const TaskGraph& graph, const Plan& plan, int rank, bool moves_experts);

  void start_step() { routing_.start_step(); }
  /// Whether the task makes rows per expert (counts_made_by()) that the host has to know.
  bool announces(const Task& task) const;
  /// Those rows, as Task::announces says.
  void bind(const Task& task, std::span<const int32_t> counts);

  /// [num_chunks] of the task's microbatch and MoE layer; empty before they are bound, and outside MoE layers.
  std::span<const SlotCounts> counts_of(const Task& task) const;
  /// The slots that a transfer or the clearing of a window is about: demanded_slots().
  std::vector<int> active_slots(const Task& task) const;
  /// [micro_batches, num_moe_layers, num_experts]: rows that this rank's tokens have sent in this step.
  const std::vector<int64_t>& expert_rows() const { return routing_.expert_rows(); }

 private:
  const TaskGraph& graph_;
  const int micro_batches_;
  const bool moves_experts_;
  LiveRouting routing_;
};

}  // namespace moesaic::executor
