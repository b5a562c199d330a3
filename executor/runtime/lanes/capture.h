#pragma once
// When a device captures the first tasks of a step as a graph, and when it replays them: the first step runs as any, so
// that the backend then has all memory that the tasks need; in the second they are captured, and run as a graph from
// there on. Which steps may be captured is the owner's to know.

#include "executor/backend/backend.h"

namespace moesaic::executor {

class Capture {
 public:
  Capture(Backend& backend, bool wanted) : backend_(backend), phase_(wanted ? Phase::after_this_step : Phase::off) {}

  /// Before a step's first task. `live`: memory of tensors. True: the graph runs, its tasks need no launch.
  bool start_step(Bytes live);
  /// Before the first task that is not captured; runs what was. Throws InvariantError where captured tasks leave
  /// tensors behind.
  void finish(Bytes live);
  void end_step();

  /// What is launched is noted down and has not run.
  bool running() const { return phase_ == Phase::running; }
  /// This step's first tasks run as a graph.
  bool captures() const { return phase_ == Phase::running || phase_ == Phase::replayed; }

 private:
  enum class Phase { off, after_this_step, in_next_step, running, replayed };

  Backend& backend_;
  Phase phase_;
  Bytes resident_ = 0;  // memory of tensors when the captured tasks began
};

}  // namespace moesaic::executor
