#include "simulator/collective_table.h"

#include <map>
#include <tuple>

namespace moesaic::simulator {

CollectiveTable::CollectiveTable(const TaskGraph& graph, const Platform& platform, const TaskPrices& prices,
                                 RowTable& rows)
    : graph_(graph), platform_(platform), prices_(prices), rows_(rows) {
  number_kinds();
}

void CollectiveTable::number_kinds() {
  std::map<std::tuple<Op, int, Lane, Leg, Bytes, Bytes, int32_t, int32_t>, int32_t> known;
  for (size_t i = 0; i < graph_.tasks.size(); ++i) {
    const Task& task = graph_.tasks[i];
    kind_of_task_.push_back(-1);
    if (task.communicator < 0) continue;
    const int32_t windows = is_window(task.rows) ? rows_.binding(TaskIndex(i)) : -1;
    const int32_t routing = is_routed(task.leg) ? rows_.routing_of(task) : -1;
    const auto [entry, is_new] = known.try_emplace(
        {task.op, task.communicator, task.lane, task.leg, task.bytes, task.bytes_per_row, windows, routing},
        static_cast<int32_t>(first_of_kind_.size()));
    kind_of_task_.back() = entry->second;
    if (!is_new) continue;
    first_of_kind_.emplace_back(i);
    works_.emplace_back(graph_.communicators[task.communicator].groups.size());
  }
}

const CollectiveTable::Work& CollectiveTable::work(int32_t kind, int group) {
  std::unique_ptr<Work>& known = works_[static_cast<size_t>(kind)][static_cast<size_t>(group)];
  if (known == nullptr) known = std::make_unique<Work>(work_out(first(kind), group));
  return *known;
}

CollectiveTable::Work CollectiveTable::work_out(TaskIndex index, int group) {
  const Task& task = graph_.tasks[index];
  const int rank = graph_.communicators[task.communicator].groups[group].front();
  const SlotCounts* counts = is_routed(task.leg) ? &rows_.counts(rows_.routing_of(task), rank) : nullptr;
  const CollectiveDemand demand =
      demand_of(graph_, task, rank, counts, platform_.cluster(), is_window(task.rows) ? rows_.rows(index, rank) : 0);
  Work work;
  work.price = prices_.collective(task.op, demand);
  for (const MemberDemand& member : demand.members) {
    if (work.price.core_seconds <= 0 && work.price.scale > 0) platform_.append_flows(member, work.flows);
    work.end_of_flows.push_back(work.flows.size());
  }
  for (Flow& flow : work.flows) flow.bytes *= work.price.scale;
  return work;
}

}  // namespace moesaic::simulator
