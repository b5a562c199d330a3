#include "core/technique/agree_on_update.h"

#include "core/graph/operands.h"
#include "core/operators/collectives.h"
#include "core/schema/error.h"
#include "core/technique/technique.h"

namespace moesaic {
namespace {

bool is_update(const Task& task) { return task.op == Op::adamw || task.op == Op::update_experts; }

bool sums_losses(const TaskGraph& graph, const Task& task) {
  return task.op == Op::all_reduce && task.reads[operands::Collective::sent] == graph.inputs.loss;
}

}  // namespace

TaskIndex verdict_task(const TaskGraph& graph) {
  for (size_t i = 0; i < graph.tasks.size(); ++i) {
    if (sums_losses(graph, graph.tasks[i])) return TaskIndex(i);
    if (!is_update(graph.tasks[i])) continue;
    MOESAIC_CHECK(graph.num_ranks == 1, "the losses are summed after the first update");
    return TaskIndex(i);
  }
  return -1;
}

void agree_on_update(TaskGraph& graph, const Plan&) {
  const TaskIndex verdict = verdict_task(graph);
  if (verdict < 0) return;
  OfTensors<bool> exists(graph.tensors.size());
  for (size_t i = 0; i < graph.tensors.size(); ++i) exists[i] = graph.tensors[i].kind != TensorKind::activation;
  for (TaskIndex i = 0; i < verdict; ++i)
    for (TensorId written : graph.tasks[i].writes) exists[written] = true;
  Task& agreement = graph.tasks[verdict];
  std::vector<TensorId> gradients;
  for (Task& task : graph.tasks) {
    if (!is_update(task)) continue;
    for (TensorId read : task.reads)  // not the signal of a load, which an update of experts has for itself
      if (exists[read]) gradients.push_back(read);
    if (&task != &agreement) task.after.push_back(output_of(agreement));
  }
  agreement.after = std::move(gradients);
}

}  // namespace moesaic
