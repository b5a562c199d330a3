#include "executor/runtime/lanes/task_ends.h"

#include "core/graph/operands.h"
#include "core/operators/router.h"
#include "executor/machine/steady_clock.h"

namespace moesaic::executor {

void TaskEnds::appended(TaskIndex index) {
  if (!state_.capture.running()) state_.recorder.ran(index), fetch_route(index);
  if (state_.routing.announces(state_.task(index))) return fetch_counts(index);
  left(index);
  state_.order.appended(index);
}

void TaskEnds::ended(TaskIndex index, Seconds start) {
  state_.recorder.ran(index, start, steady_seconds());
  const Task& task = state_.task(index);
  if (state_.routing.announces(task)) return fetch_counts(index);
  if (index == state_.gate_task && is_collective(task.op))
    state_.context.update = state_.gate->decide(state_.context.step);
  left(index);
  state_.order.ended(index);
}

void TaskEnds::fetch_route(TaskIndex index) {
  const Task& task = state_.task(index);
  if (!state_.routes.records(task)) return;
  const TensorId route = task.writes[operands::Router::route];
  std::vector<Operand> operands;
  state_.tensors.operands({&route, 1}, task.lane, {}, state_.context, operands);
  state_.routes.fetch(task, operands.front());
}

/// The counts follow the task to the host. Of a captured one the capacity says how many rows there are; what they hold
/// stays unknown.
void TaskEnds::fetch_counts(TaskIndex index) {
  const Task& task = state_.task(index);
  const TensorId tensor = counts_made_by(task);
  state_.tensors.operands({&tensor, 1}, task.lane, {}, state_.context, counts_);
  const Operand& counts = counts_.front();
  if (!state_.capture.running()) return arriving_.fetch(index, task.lane, counts);
  ended_with_counts(index, std::vector<int32_t>(static_cast<size_t>(counts.elements()), 0));
}

bool TaskEnds::bind_arrived_counts() {
  const std::optional<ArrivingCounts::Counts> counts = arriving_.take();
  if (counts) ended_with_counts(counts->task, counts->values());
  return counts.has_value();
}

void TaskEnds::ended_with_counts(TaskIndex index, std::span<const int32_t> counts) {
  state_.routing.bind(state_.task(index), counts);
  left(index);
  state_.order.ended(index);
}

void TaskEnds::left(TaskIndex index) {
  if (!state_.capture.running()) state_.recorder.left(index, state_.tensors.live_bytes());
  state_.tensors.finish(index);
}

}  // namespace moesaic::executor
