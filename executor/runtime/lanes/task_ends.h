#pragma once
// What follows when a task stands on its lane of the device, or has ended: its times, the rows per expert that it
// brings, memory that nobody uses any more, tasks that may follow.

#include <vector>

#include "executor/runtime/lanes/arriving_counts.h"
#include "executor/runtime/lanes/step_state.h"

namespace moesaic::executor {

class TaskEnds {
 public:
  explicit TaskEnds(StepState& state) : state_(state), arriving_(state.backend) {}

  /// The task stands on its lane of the device.
  void appended(TaskIndex index);
  /// The host has seen the task end.
  void ended(TaskIndex index, Seconds start);
  /// A task that brings counts has ended when these are bound. False: none have arrived.
  bool bind_arrived_counts();

 private:
  void fetch_route(TaskIndex index);
  void fetch_counts(TaskIndex index);
  void ended_with_counts(TaskIndex index, std::span<const int32_t> counts);
  void left(TaskIndex index);

  StepState& state_;
  ArrivingCounts arriving_;
  std::vector<Operand> counts_;
};

}  // namespace moesaic::executor
