#include <algorithm>

#include "core/graph/edit.h"
#include "core/graph/operands.h"
#include "core/graph/stages.h"
#include "core/operators/collectives.h"
#include "core/technique/technique.h"

namespace moesaic {
namespace {

bool sums_gradients(const TaskGraph& graph, const Task& task) {
  if (task.op != Op::all_reduce && task.op != Op::reduce_scatter) return false;
  return graph.tensors[graph.base_of(task.reads[operands::Collective::sent])].kind == TensorKind::gradient;
}

/// What the last task of backward leaves that a rank of the stage computes; ranks compute in program order.
TensorId end_of_backward(const TaskGraph& graph, int stage) {
  const auto last = std::find_if(graph.tasks.rbegin(), graph.tasks.rend(), [stage](const Task& task) {
    return task.phase == Phase::backward && task.lane == Lane::compute && runs_on(task, stage);
  });
  return output_of(*last);
}

}  // namespace

void reduce_after_backward(TaskGraph& graph, const Plan& plan) {
  if (plan.gradient_reduction == GradientReduction::as_ready) return;
  const auto last = std::find_if(graph.tasks.rbegin(), graph.tasks.rend(),
                                 [](const Task& task) { return task.phase == Phase::backward; });
  const auto end = TaskIndex(graph.tasks.rend() - last - 1);
  GraphEdit edit(graph);
  for (size_t i = 0; i < graph.tasks.size(); ++i) {
    if (!sums_gradients(graph, graph.tasks[i])) continue;
    Task moved = graph.tasks[i];
    moved.after.push_back(end_of_backward(graph, moved.stage));
    if (moved.other_stage >= 0) moved.after.push_back(end_of_backward(graph, moved.other_stage));
    edit.remove(TaskIndex(i));
    edit.behind(end, std::move(moved));
  }
  edit.apply();
}

}  // namespace moesaic
