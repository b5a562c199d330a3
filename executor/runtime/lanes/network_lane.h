#pragma once
// The network lane: one collective in flight, whose messages move when it is polled.

#include <memory>

#include "executor/runtime/lanes/collectives.h"
#include "executor/runtime/lanes/step_state.h"
#include "executor/runtime/lanes/task_ends.h"
#include "executor/runtime/lanes/watch.h"

namespace moesaic::executor {

class NetworkLane {
 public:
  NetworkLane(StepState& state, TaskEnds& ends, Collectives& collectives)
      : state_(state), ends_(ends), collectives_(collectives) {}

  /// Starts the lane's next collective, where it may and none is in flight.
  bool start();
  /// Polls the one in flight; true: it has ended.
  bool finish();
  /// There is nothing else to do: `watch` counts the wait for whom the collective in flight lacks, if there is one.
  void idle(Watch& watch) const;

 private:
  StepState& state_;
  TaskEnds& ends_;
  Collectives& collectives_;
  TaskOperands operands_;
  TaskIndex task_ = -1;  // in flight
  std::unique_ptr<Operation> operation_;
  Seconds start_ = 0;
};

}  // namespace moesaic::executor
