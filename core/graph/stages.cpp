#include "core/graph/stages.h"

#include <algorithm>

namespace moesaic {
namespace {

/// What a rank does not run goes; the rest depends on what is left, under its new index.
std::vector<TaskIndex> keep_own_tasks(TaskGraph& graph, int stage) {
  std::vector<TaskIndex> origin, index_of(graph.tasks.size(), -1);
  std::vector<int> next_sequence(graph.communicators.size(), 0);
  std::vector<Task> tasks;
  for (size_t i = 0; i < graph.tasks.size(); ++i) {
    if (!runs_on(graph.tasks[i], stage)) continue;
    Task task = std::move(graph.tasks[i]);
    std::vector<TaskIndex> dependencies;
    for (TaskIndex dependency : task.dependencies)
      if (index_of[static_cast<size_t>(dependency)] >= 0)
        dependencies.push_back(index_of[static_cast<size_t>(dependency)]);
    task.dependencies = std::move(dependencies);
    if (task.communicator >= 0) task.sequence = next_sequence[static_cast<size_t>(task.communicator)]++;
    if (!reads_on(task, stage)) task.reads.clear();
    if (!writes_on(task, stage)) task.writes.clear();
    index_of[i] = static_cast<TaskIndex>(tasks.size());
    origin.push_back(static_cast<TaskIndex>(i));
    tasks.push_back(std::move(task));
  }
  graph.tasks = std::move(tasks);
  return origin;
}

}  // namespace

int stage_of_layer(int64_t layer, int64_t num_layers, int num_stages) {
  return static_cast<int>(((layer + 1) * num_stages - 1) / num_layers);
}

bool is_shared(const TaskGraph& graph, const Parameter& parameter) {
  const auto& groups = graph.communicators[static_cast<size_t>(parameter.replicas)].groups;
  return std::any_of(groups.begin(), groups.end(), [&](const std::vector<int>& group) {
    return group.size() > 1 && holds(parameter, graph.stage_of(group[0]));
  });
}

std::vector<bool> held_elsewhere(const TaskGraph& graph, int stage) {
  std::vector<bool> elsewhere(graph.tensors.size(), false), here(graph.tensors.size(), false);
  if (graph.num_stages == 1) return elsewhere;
  const auto mark = [&](const std::vector<TensorId>& tensors, bool mine) {
    for (TensorId tensor : tensors) (mine ? here : elsewhere)[static_cast<size_t>(graph.base_of(tensor))] = true;
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

TaskGraph graph_of_rank(TaskGraph graph, int rank, std::vector<TaskIndex>* origin) {
  const int stage = graph.stage_of(rank);
  const std::vector<bool> elsewhere = held_elsewhere(graph, stage);
  for (size_t tensor = 0; tensor < elsewhere.size(); ++tensor)
    if (elsewhere[tensor]) graph.tensors[tensor].kind = TensorKind::activation;
  std::vector<TaskIndex> kept = keep_own_tasks(graph, stage);
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
