#pragma once
// What the collectives of a step ask of their members, worked out once per kind of collective and group instead of once
// per task. It knows no order and no times.

#include <memory>
#include <vector>

#include "simulator/task_prices.h"

namespace moesaic::simulator {

class CollectiveTable {
 public:
  /// All must outlive the table.
  CollectiveTable(const TaskGraph& graph, const Platform& platform, const TaskPrices& prices, RowTable& rows);

  /// Tasks of one kind ask the same of a group. -1: the task is no collective.
  int32_t kind_of(TaskIndex task) const { return kind_of_task_[task]; }
  int communicator(int32_t kind) const { return graph_.tasks[first(kind)].communicator; }
  Lane lane(int32_t kind) const { return graph_.tasks[first(kind)].lane; }

  struct Work {
    CollectivePrice price;
    std::vector<Flow> flows;           // of all members, in member order, already scaled
    std::vector<size_t> end_of_flows;  // [members]
  };
  const Work& work(int32_t kind, int group);

 private:
  TaskIndex first(int32_t kind) const { return first_of_kind_[static_cast<size_t>(kind)]; }
  void number_kinds();
  Work work_out(TaskIndex task, int group);

  const TaskGraph& graph_;
  const Platform& platform_;
  const TaskPrices& prices_;
  RowTable& rows_;
  OfTasks<int32_t> kind_of_task_;
  std::vector<TaskIndex> first_of_kind_;
  std::vector<std::vector<std::unique_ptr<Work>>> works_;  // [kinds, groups]; null: not yet asked for
};

}  // namespace moesaic::simulator
