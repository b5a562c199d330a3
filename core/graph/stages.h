#pragma once
// The stages of a pipeline: which of them runs a task and holds a tensor, and the graph as one rank runs it. What a
// stage computes, and in which order, core/steps says.

#include <vector>

#include "core/graph/task_graph.h"

namespace moesaic {

/// Layers [first, last) of a stage.
struct LayerRange {
  int first = 0, last = 0;
};
/// Stage s of p has layers [floor(s L / p), floor((s+1) L / p)) of L.
LayerRange layers_of_stage(int stage, int64_t num_layers, int num_stages);
/// The stage that has the layer.
int stage_of_layer(int64_t layer, int64_t num_layers, int num_stages);

inline bool runs_on(const Task& task, int stage) {
  return task.stage < 0 || task.stage == stage || task.other_stage == stage;
}
inline bool holds(const Parameter& parameter, int stage) {
  return parameter.stage < 0 || parameter.stage == stage || parameter.other_stage == stage;
}

/// True where several ranks hold the same elements of a parameter; else each rank alone holds what it holds.
bool is_shared(const TaskGraph& graph, const Parameter& parameter);

/// Between stages the sender only reads and the receiver only writes.
inline bool reads_on(const Task& task, int stage) { return !is_between_stages(task.leg) || task.stage == stage; }
inline bool writes_on(const Task& task, int stage) { return !is_between_stages(task.leg) || task.other_stage == stage; }

/// True for what only tasks of other stages use, views through their base.
OfTensors<bool> held_elsewhere(const TaskGraph& graph, int stage);

/// The graph as one rank runs it: without the tasks of other stages, whose tensors have no memory, with its own tokens
/// as tokens_per_rank, and with fixed rows for local ones. `origin`, where given, becomes the index that each task had.
TaskGraph graph_of_rank(TaskGraph graph, int rank, OfTasks<TaskIndex>* origin = nullptr);

}  // namespace moesaic
