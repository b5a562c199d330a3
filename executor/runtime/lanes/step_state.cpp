#include "executor/runtime/lanes/step_state.h"

namespace moesaic::executor {
namespace {

TaskIndex first_check(const TaskGraph& graph, TaskIndex gate_task) {
  for (TaskIndex index = 0; index < gate_task; ++index)
    if (checks_gradients(graph.tasks[index].op)) return index;
  return gate_task;
}

}  // namespace

StepState::StepState(const TaskGraph& step, const Plan& plan, int rank, Backend& device, TensorStore& memory,
                     const RankStepOptions& options)
    : graph(step),
      backend(device),
      tensors(memory),
      experts(options.experts),
      gate(options.gate),
      gate_task(gate != nullptr ? gate->task() : -1),
      capture_end(first_check(graph, gate_task)),
      context(make_step_context(graph, plan, rank)),
      order(graph, backend),
      routing(graph, plan, rank, experts != nullptr),
      routes(backend, graph, plan, rank, options.record),
      recorder(graph.tasks.size(), rank),
      busy(backend),
      capture(backend, options.capture) {}

Launch StepState::launch_of(const Task& task, TaskOperands& operands) {
  const std::span<const SlotCounts> counts = routing.counts_of(task);
  tensors.operands(task.reads, task.lane, counts, context, operands.reads);
  tensors.operands(task.writes, task.lane, counts, context, operands.writes);
  return {task, operands.reads, operands.writes, counts, context};
}

void StepState::start_step(int64_t step) {
  context.step = step;
  context.update = {};
  if (gate != nullptr) gate->start_step();
  recorder.start_step();
  routing.start_step();
  order.start_step();
  tensors.start_step();
}

}  // namespace moesaic::executor
