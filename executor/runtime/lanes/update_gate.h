#pragma once
// The one place of a step where its owner has a say: whether what comes behind it may change anything, and what it
// multiplies gradients with. What it looks at and why is the owner's business.

#include "core/graph/task_graph.h"
#include "executor/backend/backend.h"

namespace moesaic::executor {

class UpdateGate {
 public:
  virtual ~UpdateGate() = default;

  /// Nothing of a step has run yet.
  virtual void start_step() = 0;
  /// The work of a task that checks gradients (core/technique/agree_on_update.h): what it reads is complete. The device
  /// has done it when this returns.
  virtual void check(TaskIndex task) = 0;
  /// The task that carries the decision; all updates run behind it. -1: there is none.
  virtual TaskIndex task() const = 0;
  /// Everything that the task depends on is complete, and it has not begun: what it reads may be looked at and changed.
  virtual void before_task() = 0;
  /// It is complete, on all ranks that share it; of an update it has not begun.
  virtual UpdateDecision decide(int64_t step) = 0;
};

}  // namespace moesaic::executor
