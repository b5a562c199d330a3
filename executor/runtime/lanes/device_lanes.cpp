#include "executor/runtime/lanes/device_lanes.h"

namespace moesaic::executor {

bool DeviceLanes::append_next() {
  const TaskIndex index = next();
  if (index < 0) return false;
  state_.busy.works();
  const bool at_gate = index == state_.gate_task;
  if (index == state_.capture_end && state_.capture.running()) state_.capture.finish(state_.tensors.live_bytes());
  const Task& task = state_.task(index);
  transfers_.open_windows(task);
  const Launch launch = state_.launch_of(task, operands_);
  state_.order.wait_on_device(index);
  state_.backend.mark(task.lane, state_.recorder.start_of(index));
  if (at_gate) pass_gate();
  state_.order.taken(index);
  if (checks_gradients(task.op)) {
    if (state_.gate != nullptr) state_.gate->check(index);
  } else if (!is_transfer(task.op)) {
    state_.backend.launch(launch);
  } else if (!transfers_.move(index, operands_)) {
    return true;  // a drain ends later
  }
  state_.backend.mark(task.lane, state_.recorder.end_of(index));
  ends_.appended(index);
  return true;
}

TaskIndex DeviceLanes::next() const {
  TaskIndex first = -1;
  for (Lane lane : {Lane::compute, Lane::copy_in, Lane::copy_out, Lane::host}) {
    const TaskIndex index = state_.order.head(lane);
    if (index < 0 || (first >= 0 && index > first) || !state_.order.ready(index)) continue;
    if (lane == Lane::copy_out && transfers_.drains()) continue;
    if (!acts_on_host(index) || state_.order.settled(index)) first = index;
  }
  return first;
}

/// Whether the host itself has to see what the task depends on.
bool DeviceLanes::acts_on_host(TaskIndex index) const {
  return state_.task(index).lane == Lane::host || index == state_.gate_task || checks_gradients(state_.task(index).op);
}

/// Of a rank alone the gate is its first update, and nothing has to come from others.
void DeviceLanes::pass_gate() {
  state_.gate->before_task();
  state_.context.update = state_.gate->decide(state_.context.step);
}

}  // namespace moesaic::executor
