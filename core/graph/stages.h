#pragma once
// The stages of a pipeline: which of them runs a task and holds a tensor, in which order microbatches pass through
// them, and the graph as one rank runs it. It knows no transformer; core/graph/baseline.cpp says what a stage computes.

#include <vector>

#include "core/graph/task_graph.h"

namespace moesaic {

/// The stage of a layer: stage s has layers [floor(s L / p), floor((s+1) L / p)).
int stage_of_layer(int64_t layer, int64_t num_layers, int num_stages);

inline bool runs_on(const Task& task, int stage) {
  return task.stage < 0 || task.stage == stage || task.other_stage == stage;
}
inline bool holds(const Parameter& parameter, int stage) {
  return parameter.stage < 0 || parameter.stage == stage || parameter.other_stage == stage;
}

/// Between stages the sender only reads and the receiver only writes.
inline bool reads_on(const Task& task, int stage) { return !is_between_stages(task.leg) || task.stage == stage; }
inline bool writes_on(const Task& task, int stage) { return !is_between_stages(task.leg) || task.other_stage == stage; }

/// [tensors]: true for what only tasks of other stages use, views through their base.
std::vector<bool> held_elsewhere(const TaskGraph& graph, int stage);

/// The forward or backward pass of one microbatch through one stage.
struct StagePass {
  bool backward = false;
  int stage = 0, microbatch = 0;
  bool operator==(const StagePass&) const = default;
};
/// One piece of the pipeline's program: a pass, or its result on the way to the stage that goes on with it.
struct PipelineStep {
  StagePass pass;
  bool sends = false;
  bool operator==(const PipelineStep&) const = default;
};
/// 1F1B (PipeDream-Flush, arXiv 2006.09503): stage s of p runs p-1-s forward passes, then one forward and one backward
/// pass in turn, then the backward passes that are left; it never keeps the activations of more than p-s microbatches.
/// One list for all stages, ordered by the times that passes would have if a backward pass took twice a forward pass,
/// so that each stage's part of it is that stage's order and sends stand where both ends are free.
std::vector<PipelineStep> one_forward_one_backward(int num_stages, int microbatches);

/// The graph as one rank runs it: without the tasks of other stages, whose tensors have no memory, with its own tokens
/// as tokens_per_rank, and with fixed rows for local ones. `origin`, where given, becomes the index that each task had.
TaskGraph graph_of_rank(TaskGraph graph, int rank, std::vector<TaskIndex>* origin = nullptr);

}  // namespace moesaic
