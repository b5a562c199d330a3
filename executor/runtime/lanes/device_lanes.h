#pragma once
// The lanes that use this rank's device or core: operators, copies to and from the device, and work of the host in
// between. A device takes tasks ahead of time, as far as nothing has to be known on the host first.

#include "executor/runtime/lanes/expert_transfers.h"
#include "executor/runtime/lanes/step_state.h"
#include "executor/runtime/lanes/task_ends.h"

namespace moesaic::executor {

class DeviceLanes {
 public:
  DeviceLanes(StepState& state, TaskEnds& ends, ExpertTransfers& transfers)
      : state_(state), ends_(ends), transfers_(transfers) {}

  /// Appends that task to its lane, of those that may follow, which stands first in the program.
  bool append_next();

 private:
  TaskIndex next() const;
  bool acts_on_host(TaskIndex index) const;
  void pass_gate();

  StepState& state_;
  TaskEnds& ends_;
  ExpertTransfers& transfers_;
  TaskOperands operands_;
};

}  // namespace moesaic::executor
