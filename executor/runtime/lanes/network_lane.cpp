#include "executor/runtime/lanes/network_lane.h"

#include "executor/machine/steady_clock.h"

namespace moesaic::executor {

bool NetworkLane::start() {
  const TaskIndex index = state_.order.head(Lane::network);
  if (operation_ || index < 0 || !state_.order.ready(index) || !state_.order.settled(index)) return false;
  state_.busy.works();
  if (index == state_.gate_task) state_.gate->before_task();
  const Launch launch = state_.launch_of(state_.task(index), operands_);
  task_ = index;
  start_ = steady_seconds();
  operation_ = collectives_.start(launch);
  return true;
}

bool NetworkLane::finish() {
  if (!operation_ || !operation_->poll()) return false;
  state_.busy.works();
  operation_.reset();
  state_.order.taken(task_);
  ends_.ended(task_, start_);
  return true;
}

void NetworkLane::idle(Watch& watch) const {
  if (operation_)
    watch.idle(*operation_, state_.task(task_).label);
  else
    watch.check();
}

}  // namespace moesaic::executor
