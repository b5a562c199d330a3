#include "executor/runtime/lanes/expert_transfers.h"

#include <utility>

#include "core/schema/error.h"

namespace moesaic::executor {

void ExpertTransfers::open_windows(const Task& task) {
  if (task.op != Op::fetch_experts && !(task.op == Op::clear && is_window(task.rows))) return;
  const std::vector<int> active = state_.routing.active_slots(task);
  const std::vector<int> slots = task.op == Op::clear ? active : state_.experts->slots_to_fetch(task, active);
  for (TensorId window : task.writes) state_.tensors.open_window(window, task.lane, slots);
}

bool ExpertTransfers::move(TaskIndex index, const TaskOperands& operands) {
  state_.busy.rests();  // it may wait for storage
  const Task& task = state_.task(index);
  if (task.op == Op::fetch_experts) {
    state_.experts->fetch(task, operands.writes, state_.context.step);
  } else if (task.op == Op::drain_gradients) {
    state_.experts->drain(task, operands.reads);
    draining_ = index;
    return false;
  } else {
    MOESAIC_CHECK(task.op == Op::update_experts,
                  "no transfer of the host lane is called " + std::string(name_of(task.op)));
    state_.experts->update(task, state_.routing.active_slots(task), state_.context.step,
                           state_.context.update.gradient_scale);
  }
  return true;
}

bool ExpertTransfers::finish_drain() {
  if (draining_ < 0 || !state_.experts->finish_drain()) return false;
  const TaskIndex index = std::exchange(draining_, -1);
  ends_.ended(index, *state_.recorder.start_of(index));
  return true;
}

}  // namespace moesaic::executor
