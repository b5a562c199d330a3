#pragma once
// Which task of one rank's step may be started next: lanes keep program order, dependencies hold. Where a device takes
// work ahead of time, dependencies between its lanes become waits on the device. It starts nothing itself.

#include <vector>

#include "executor/backend/backend.h"

namespace moesaic::executor {

class TaskOrder {
 public:
  TaskOrder(const TaskGraph& graph, Backend& backend);

  void start_step();
  bool all_ended() const { return remaining_ == 0; }

  /// The next task of a lane in program order; -1: none is left.
  TaskIndex head(Lane lane) const;
  /// Everything that the task depends on has ended, or stands on a lane of the device.
  bool ready(TaskIndex task) const { return blockers_[static_cast<size_t>(task)] == 0; }
  /// Of a ready task: the device has passed all of that too, so the host may act on it.
  bool settled(TaskIndex task);
  /// The lane of a ready task waits for what the task depends on.
  void wait_on_device(TaskIndex task);

  /// The task has been taken from its lane: the lane's next one may follow.
  void taken(TaskIndex task) { ++next_[static_cast<size_t>(lane_of(task))]; }
  /// The task stands on its lane of the device.
  void appended(TaskIndex task);
  /// The task has ended, as the host has seen.
  void ended(TaskIndex task);

 private:
  Lane lane_of(TaskIndex task) const { return graph_.tasks[task].lane; }

  const TaskGraph& graph_;
  Backend& backend_;
  std::vector<std::vector<TaskIndex>> lanes_;  // [lanes]: program order
  OfTasks<std::vector<TaskIndex>> successors_;
  OfTasks<int> initial_blockers_, blockers_;  // dependencies neither ended nor appended
  OfTasks<bool> seen_from_outside_;           // some successor is on another lane
  std::vector<size_t> next_;                  // [lanes]
  OfTasks<Event> passed_;                     // of those appended in this step; kEnded
  size_t remaining_ = 0;
};

}  // namespace moesaic::executor
