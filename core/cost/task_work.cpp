#include "core/cost/task_work.h"

#include <algorithm>

#include "core/network/collective_demand.h"
#include "core/operators/operator.h"

namespace moesaic {

WorkOfTasks::WorkOfTasks(const TaskGraph& graph, const Plan& plan, int64_t step)
    : graph_(graph), plan_(plan), iteration_(step * plan.layout.micro_batches) {}

TaskWork WorkOfTasks::of(TaskIndex index, int rank) {
  const Task& task = graph_.tasks[index];
  if (is_collective(task.op)) return sent(index, rank);
  if (is_transfer(task.op)) return {.moved_bytes = moved(task, rank)};
  return computed(task, rank);
}

const RoutingBinding& WorkOfTasks::binding() {
  if (!binding_) binding_.emplace(plan_);
  return *binding_;
}

const SlotCounts& WorkOfTasks::counts(const Task& task, int rank) {
  return binding().counts(iteration_ + task.microbatch, task.moe_layer, rank, task.chunk, task.num_chunks);
}

int64_t WorkOfTasks::rows(const Task& task, int rank) {
  return task.rows == Rows::fixed ? task.fixed_rows : binding().rows(task, rank, iteration_);
}

TaskWork WorkOfTasks::computed(const Task& task, int rank) {
  const int64_t rows_here = rows(task, rank);
  if (rows_here <= 0) return {};
  int64_t active = 1;
  if (is_experts(task.op)) {
    const SlotCounts& slots = counts(task, rank);
    const std::vector<int64_t> slot_rows = slots.slot_rows(rank % slots.num_ranks());
    active = std::count_if(slot_rows.begin(), slot_rows.end(), [](int64_t slot) { return slot > 0; });
  }
  return {.flops = flops_of(task.op, task.shape, rows_here),
          .memory_bytes = traffic_of(task.op, task.shape, rows_here, active, stored_as(task))};
}

TaskWork WorkOfTasks::sent(TaskIndex index, int rank) {
  const Task& task = graph_.tasks[index];
  const int group = graph_.communicators[task.communicator].group_of_rank[rank];
  std::vector<TaskWork>& sent = sent_[{index, group}];
  if (sent.empty()) {
    const SlotCounts* const routed = is_routed(task.leg) ? &counts(task, rank) : nullptr;
    const int64_t window_rows = is_window(task.rows) ? rows(task, rank) : 0;
    for (const MemberDemand& member : demand_of(graph_, task, rank, routed, plan_.cluster, window_rows).members)
      sent.push_back({.intra_node_bytes = member.intra_out, .inter_node_bytes = member.inter_out});
  }
  return sent[static_cast<size_t>(graph_.position(task.communicator, rank))];
}

/// The windows that it fills or empties.
Bytes WorkOfTasks::moved(const Task& task, int rank) {
  Bytes bytes = 0;
  for (const std::vector<TensorId>* operands : {&task.reads, &task.writes})
    for (const TensorId id : *operands)
      if (const Tensor& tensor = graph_.tensors[id]; is_window(tensor.rows))
        bytes += binding().bytes(tensor, rank, iteration_);
  return bytes;
}

}  // namespace moesaic
