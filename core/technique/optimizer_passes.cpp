#include <algorithm>

#include "core/graph/edit.h"
#include "core/graph/operands.h"
#include "core/operators/optimizer.h"
#include "core/technique/technique.h"

namespace moesaic {
namespace {

using operands::FlattenGradients;

TensorId add_f32(TaskGraph& graph, const std::string& name, int64_t elements) {
  return graph.add({name, TensorKind::activation, DType::f32, Rows::fixed, 1, elements});
}

/// What stands before an update, which then reads the copies.
Task flatten_before(TaskGraph& graph, Task& update) {
  Task flatten = update;
  flatten.op = Op::flatten_gradients;
  flatten.label.insert(flatten.label.find("adamw"), "gradients of ");
  flatten.dtype = graph.tensors[gradient_of(update)].dtype;
  int64_t longest = 0;
  for (TensorId& gradient : update.reads) longest = std::max(longest, graph.tensors[gradient].row_elements);
  flatten.writes = in_places({{FlattenGradients::statistics, add_f32(graph, flatten.label + " / statistics", 2)},
                              {FlattenGradients::widened, add_f32(graph, flatten.label + " / widened", longest)}});
  for (TensorId& gradient : update.reads) {
    const Tensor& of = graph.tensors[gradient];
    gradient = add_f32(graph, of.name + " copy", of.row_elements);
    flatten.writes.push_back(gradient);
  }
  if (update.dtype != DType::f32) update.stored_dtype = DType::f32;
  return flatten;
}

}  // namespace

void separate_optimizer_passes(TaskGraph& graph, const Plan& plan) {
  if (plan.optimizer_passes == OptimizerPasses::fused) return;
  const auto first =
      std::find_if(graph.tasks.begin(), graph.tasks.end(), [](const Task& task) { return task.op == Op::adamw; });
  if (first == graph.tasks.end()) return;
  const auto before = TaskIndex(first - graph.tasks.begin());
  GraphEdit edit(graph);
  for (Task& task : graph.tasks)
    if (task.op == Op::adamw) edit.before(before, flatten_before(graph, task));
  edit.apply();
}

}  // namespace moesaic
