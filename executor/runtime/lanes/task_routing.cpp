#include "executor/runtime/lanes/task_routing.h"

#include "core/graph/operands.h"
#include "core/graph/routing_binding.h"

namespace moesaic::executor {

TaskRouting::TaskRouting(const TaskGraph& graph, const Plan& plan, int rank, bool moves_experts)
    : graph_(graph), micro_batches_(plan.layout.micro_batches), moves_experts_(moves_experts), routing_(plan, rank) {}

bool TaskRouting::announces(const Task& task) const {
  return task.announces == Announces::group_counts || (moves_experts_ && task.announces == Announces::stage_counts);
}

void TaskRouting::bind(const Task& task, std::span<const int32_t> counts) {
  if (task.announces == Announces::group_counts)
    return routing_.announce(task.microbatch, task.moe_layer, counts.data());
  routing_.announce_stage(task.microbatch, counted_layers(graph_, task), counts.data());
}

std::span<const SlotCounts> TaskRouting::counts_of(const Task& task) const {
  if (task.moe_layer < 0) return {};
  return routing_.counts(task.microbatch, task.moe_layer);
}

std::vector<int> TaskRouting::active_slots(const Task& task) const {
  return demanded_slots(task, micro_batches_,
                        [&](Rows which, int microbatch) { return routing_.slots(which, microbatch, task.moe_layer); });
}

}  // namespace moesaic::executor
