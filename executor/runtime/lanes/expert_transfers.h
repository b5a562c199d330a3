#pragma once
// Expert weights and gradients between host memory and the device, and their updates on the host: what a rank's
// transfer tasks outside the storage lane ask of its ExpertStates, and when.

#include "executor/runtime/lanes/step_state.h"
#include "executor/runtime/lanes/task_ends.h"

namespace moesaic::executor {

class ExpertTransfers {
 public:
  ExpertTransfers(StepState& state, TaskEnds& ends) : state_(state), ends_(ends) {}

  /// Memory for the slots of those windows that the task is the first to use.
  void open_windows(const Task& task);
  /// Carries out a transfer. False: it is a drain, which ends when finish_drain() has seen its copies.
  bool move(TaskIndex index, const TaskOperands& operands);
  bool drains() const { return draining_ >= 0; }
  /// What a drain has copied from the device is added on the host. True: it has ended.
  bool finish_drain();

 private:
  StepState& state_;
  TaskEnds& ends_;
  TaskIndex draining_ = -1;  // its copies are in flight
};

}  // namespace moesaic::executor
