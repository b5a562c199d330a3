#include "core/technique/agree_on_update.h"

#include <algorithm>
#include <string>

#include "core/graph/edit.h"
#include "core/graph/operands.h"
#include "core/operators/collectives.h"
#include "core/operators/optimizer.h"
#include "core/schema/error.h"
#include "core/technique/technique.h"

namespace moesaic {
namespace {

bool is_update(const Task& task) { return task.op == Op::adamw || task.op == Op::update_experts; }

bool sums_losses(const TaskGraph& graph, const Task& task) {
  return task.op == Op::all_reduce && task.reads[operands::Collective::sent] == graph.inputs.loss;
}

/// The tasks that look at what updates read.
class Checks {
 public:
  Checks(TaskGraph& graph, const Plan& plan)
      : graph_(graph),
        sums_squares_(plan.workload.optimizer.clips()),
        loads_(plan.expert_storage.home == Tier::storage) {}

  /// Gradients on the device: one look for the updates of a layer that run on the same ranks.
  void add_adamw(const Task& update) {
    Task check = update;
    check.op = sums_squares_ ? Op::sum_squares : Op::check_gradients;
    check.dtype = graph_.tensors[gradient_of(update)].dtype;
    const int layer = layer_of(update);
    const auto is_like = [&](const Check& other) {
      return other.layer == layer && other.task.op == check.op && other.task.dtype == check.dtype &&
             other.task.stage == check.stage && other.task.other_stage == check.other_stage;
    };
    const auto known = std::find_if(checks_.begin(), checks_.end(), is_like);
    if (known == checks_.end()) return add(layer, std::move(check), "adamw", "check gradients from");
    known->task.fixed_rows += update.fixed_rows;
    known->task.reads.insert(known->task.reads.end(), update.reads.begin(), update.reads.end());
  }

  /// Sums on the host. The load of states, whose signal an update reads last, comes behind the verdict.
  void add_experts(const Task& update) {
    Task check = update;
    check.op = Op::check_experts;
    if (loads_) check.reads.pop_back();
    add(update.layer, std::move(check), "update experts", "check gradients of experts");
  }

  std::vector<Task> tasks() && {
    std::vector<Task> tasks;
    for (Check& check : checks_) tasks.push_back(std::move(check.task));
    return tasks;
  }

 private:
  struct Check {
    int layer;
    Task task;
  };

  /// It is called as the first update for which it looks, with other words for what it does.
  void add(int layer, Task task, const std::string& updates, const std::string& checks) {
    task.label.replace(task.label.find(updates), updates.size(), checks);
    task.writes = in_places({{operands::CheckGradients::signal,
                              graph_.add({task.label, TensorKind::activation, DType::i32, Rows::fixed, 1, 0})}});
    checks_.push_back({layer, std::move(task)});
  }

  /// -1: outside the layers. Of several parameters the first one's.
  int layer_of(const Task& update) const {
    const TensorId weight = update.writes[operands::AdamW::weight];
    for (const ParameterGroup& group : graph_.groups)
      if (group.weight_share == weight) return graph_.parameters[group.parameters.front()].layer;
    for (const Parameter& parameter : graph_.parameters)
      if (parameter.weight == weight) return parameter.layer;
    throw InvariantError(__FILE__, __LINE__, "weight", "an update of what is no parameter");
  }

  TaskGraph& graph_;
  const bool sums_squares_, loads_;
  std::vector<Check> checks_;
};

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

void agree_on_update(TaskGraph& graph, const Plan& plan) {
  const TaskIndex verdict = verdict_task(graph);
  if (verdict < 0) return;
  Checks checks(graph, plan);
  for (const Task& task : graph.tasks) {
    if (task.op == Op::adamw) checks.add_adamw(task);
    if (task.op == Op::update_experts) checks.add_experts(task);
  }
  const TensorId agreed = output_of(graph.tasks[verdict]);
  std::vector<TensorId> checked;
  GraphEdit edit(graph);
  for (Task& check : std::move(checks).tasks()) {
    checked.push_back(output_of(check));
    edit.before(verdict, std::move(check));
  }
  edit.apply([&](TaskIndex place, Task& task) {
    if (place == verdict)
      task.after = checked;
    else if (is_update(task))
      task.after.push_back(agreed);
  });
}

}  // namespace moesaic
