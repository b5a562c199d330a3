#include "simulator/transfer_table.h"

#include "core/graph/stages.h"

namespace moesaic::simulator {

TransferTable::TransferTable(const TaskGraph& graph, const Plan& plan, const Platform& platform, int64_t step,
                             bool on_core) {
  if (plan.expert_storage.home == Tier::device || graph.placement.empty()) return;
  ExpertTraffic traffic(graph, plan, step);
  for (int rank = 0; rank < graph.num_ranks; ++rank)
    for (size_t i = 0; i < graph.tasks.size(); ++i) {
      const Task& task = graph.tasks[i];
      if (!is_transfer(task.op) || !runs_on(task, graph.stage_of(rank))) continue;
      Work& work = works_[{rank, TaskIndex(i)}];
      work.moved = traffic.of(TaskIndex(i), rank);
      platform.append_flows(work.moved, rank, on_core, work.flows);
    }
}

}  // namespace moesaic::simulator
