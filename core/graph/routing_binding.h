#pragma once
// Recorded routing as the rows of tasks and the bytes of tensors. The executor binds the same with live routing.

#include <set>
#include <vector>

#include "core/graph/task_graph.h"
#include "core/routing/recorded_routing.h"

namespace moesaic {

/// What binds the rows of a task or tensor.
template <class TaskOrTensor>
RoutedRows routed_rows(const TaskOrTensor& item) {
  return {item.rows, item.moe_layer, item.microbatch, item.chunk, item.num_chunks};
}

class RoutingBinding : public RecordedRouting {
 public:
  using RecordedRouting::RecordedRouting;
  using RecordedRouting::rows;

  /// Rows of a task, bytes of a tensor of `rank`; their microbatch is added to `iteration` (= step * micro_batches).
  int64_t rows(const Task& task, int rank, int64_t iteration) const;
  Bytes bytes(const Tensor& tensor, int rank, int64_t iteration) const;
};

/// The slots that a transfer, or the clearing of a window, is about, ascending: those with rows here for weights, on
/// any rank with the same experts for gradients and, over all microbatches, for updates; none where a cache predicts
/// them. slots_of(Rows, microbatch): what recorded or live routing says of the task's MoE layer.
std::vector<int> demanded_slots(const Task& task, int micro_batches, const auto& slots_of) {
  const bool gradients = task.op == Op::clear || task.op == Op::drain_gradients;
  if (task.demand == Demand::predicted || (task.demand == Demand::none && !gradients)) return {};
  if (task.phase != Phase::update) return slots_of(gradients ? Rows::used_slots : Rows::active_slots, task.microbatch);
  std::set<int> used;
  for (int microbatch = 0; microbatch < micro_batches; ++microbatch)
    for (const int slot : slots_of(Rows::used_slots, microbatch)) used.insert(slot);
  return {used.begin(), used.end()};
}

}  // namespace moesaic
