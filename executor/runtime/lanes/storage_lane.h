#pragma once
// The storage lane: moves expert states between storage and host memory beside everything else, one task at a time.

#include "executor/runtime/lanes/step_state.h"
#include "executor/runtime/lanes/task_ends.h"

namespace moesaic::executor {

class StorageLane {
 public:
  StorageLane(StepState& state, TaskEnds& ends) : state_(state), ends_(ends) {}

  /// Ends the task in flight, if it is through, and starts the next one. True: something has changed.
  bool advance();

 private:
  bool finish();

  StepState& state_;
  TaskEnds& ends_;
  std::vector<Operand> writes_;
  TaskIndex task_ = -1;  // in flight
  Seconds start_ = 0;
};

}  // namespace moesaic::executor
