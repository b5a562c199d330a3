#include "executor/runtime/lanes/storage_lane.h"

#include <utility>

#include "executor/machine/steady_clock.h"

namespace moesaic::executor {

bool StorageLane::advance() {
  const bool finished = finish();
  if (task_ >= 0) return false;
  const TaskIndex index = state_.order.head(Lane::storage);
  if (index < 0 || !state_.order.ready(index) || !state_.order.settled(index)) return finished;
  const Task& task = state_.task(index);
  state_.busy.rests();  // it may wait for a write
  state_.tensors.operands(task.writes, task.lane, {}, state_.context, writes_);
  task_ = index;
  start_ = steady_seconds();
  state_.experts->start(task, state_.routing.active_slots(task));
  return true;
}

bool StorageLane::finish() {
  if (task_ < 0 || !state_.experts->poll()) return false;
  state_.order.taken(task_);
  ends_.ended(std::exchange(task_, -1), start_);
  return true;
}

}  // namespace moesaic::executor
