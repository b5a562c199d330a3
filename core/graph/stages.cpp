#include "core/graph/stages.h"

#include <algorithm>

namespace moesaic {
namespace {

/// What a rank does not run goes; the rest depends on what is left, under its new index.
OfTasks<TaskIndex> keep_own_tasks(TaskGraph& graph, int stage) {
  OfTasks<TaskIndex> origin;
  OfTasks<TaskIndex> index_of(graph.tasks.size(), -1);
  Table<int, int> next_sequence(graph.communicators.size(), 0);
  OfTasks<Task> tasks;
  for (size_t i = 0; i < graph.tasks.size(); ++i) {
    if (!runs_on(graph.tasks[i], stage)) continue;
    Task task = std::move(graph.tasks[i]);
    std::vector<TaskIndex> dependencies;
    for (TaskIndex dependency : task.dependencies)
      if (index_of[dependency] >= 0) dependencies.push_back(index_of[dependency]);
    task.dependencies = std::move(dependencies);
    if (task.communicator >= 0) task.sequence = next_sequence[task.communicator]++;
    if (!reads_on(task, stage)) task.reads.clear();
    if (!writes_on(task, stage)) task.writes.clear();
    index_of[i] = TaskIndex(tasks.size());
    origin.push_back(TaskIndex(i));
    tasks.push_back(std::move(task));
  }
  graph.tasks = std::move(tasks);
  return origin;
}

}  // namespace

LayerRange layers_of_stage(int stage, int64_t num_layers, int num_stages) {
  return {static_cast<int>(stage * num_layers / num_stages), static_cast<int>((stage + 1) * num_layers / num_stages)};
}

int stage_of_layer(int64_t layer, int64_t num_layers, int num_stages) {
  return static_cast<int>(((layer + 1) * num_stages - 1) / num_layers);
}

bool is_shared(const TaskGraph& graph, const Parameter& parameter) {
  const auto& groups = graph.communicators[parameter.replicas].groups;
  return std::any_of(groups.begin(), groups.end(), [&](const std::vector<int>& group) {
    return group.size() > 1 && holds(parameter, graph.stage_of(group[0]));
  });
}

OfTensors<bool> held_elsewhere(const TaskGraph& graph, int stage) {
  OfTensors<bool> elsewhere(graph.tensors.size(), false), here(graph.tensors.size(), false);
  if (graph.num_stages == 1) return elsewhere;
  const auto mark = [&](const std::vector<TensorId>& tensors, bool mine) {
    for (TensorId tensor : tensors) (mine ? here : elsewhere)[graph.base_of(tensor)] = true;
  };
  for (const Task& task : graph.tasks) {
    const bool runs = runs_on(task, stage);
    mark(task.reads, runs && reads_on(task, stage));
    mark(task.writes, runs && writes_on(task, stage));
  }
  for (size_t tensor = 0; tensor < elsewhere.size(); ++tensor)
    if (here[tensor]) elsewhere[tensor] = false;
  return elsewhere;
}

TaskGraph graph_of_rank(TaskGraph graph, int rank, OfTasks<TaskIndex>* origin) {
  const int stage = graph.stage_of(rank);
  const OfTensors<bool> elsewhere = held_elsewhere(graph, stage);
  for (size_t tensor = 0; tensor < elsewhere.size(); ++tensor)
    if (elsewhere[tensor]) graph.tensors[tensor].kind = TensorKind::activation;
  OfTasks<TaskIndex> kept = keep_own_tasks(graph, stage);
  if (origin != nullptr) *origin = std::move(kept);
  graph.tokens_per_rank = graph.tokens_of(rank);
  const auto bind = [&](auto& item) {
    if (item.rows != Rows::local) return;
    item.rows = Rows::fixed;
    item.fixed_rows = graph.tokens_per_rank;
  };
  for (Task& task : graph.tasks) bind(task);
  for (Tensor& tensor : graph.tensors) bind(tensor);
  return graph;
}

}  // namespace moesaic
