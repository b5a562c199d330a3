#pragma once
// A transformer of one MoE layer that is small enough to count by hand, and a way to list labels. It is not a good
// model.

#include <algorithm>
#include <string>
#include <vector>

#include "core/graph/task_graph.h"

namespace moesaic::testing {

/// H 8, 2 heads of 4, V 16, 4 experts of F 16, top-2; nodes of 2 devices; a global batch of 4 sequences of 4 tokens.
inline Plan tiny_plan(int ranks, int ep) {
  Plan plan;
  plan.name = "tiny";
  plan.layout = {ranks, ep, 1};
  Model& model = plan.model;
  model.name = "tiny", model.family = "gpt_moe";
  model.num_layers = 1, model.hidden = 8, model.num_heads = model.num_kv_heads = 2, model.head_dim = 4;
  model.vocabulary = 16, model.num_experts = 4, model.top_k = 2;
  model.expert_intermediate = model.dense_intermediate = 16;
  model.moe_layers = {true};
  model.weight_dtype = model.expert_dtype = DType::f32;
  plan.cluster.num_nodes = 2, plan.cluster.devices_per_node = 2;
  plan.workload.phase = WorkloadPhase::training;
  plan.workload.global_batch = 4, plan.workload.sequence_length = 4;
  return plan;
}

inline std::vector<std::string> labels_of(const TaskGraph& graph) {
  std::vector<std::string> labels;
  for (const Task& task : graph.tasks) labels.push_back(task.label);
  return labels;
}

/// Index of the task with this label, or -1.
inline TaskIndex find_task(const TaskGraph& graph, const std::string& label) {
  for (size_t i = 0; i < graph.tasks.size(); ++i)
    if (graph.tasks[i].label == label) return TaskIndex(i);
  return -1;
}

inline const Parameter& parameter_of(const TaskGraph& graph, const std::string& name) {
  return *std::find_if(graph.parameters.begin(), graph.parameters.end(),
                       [&](const Parameter& parameter) { return parameter.name == name; });
}

inline Task& named(TaskGraph& graph, const std::string& label) { return graph.tasks.at(find_task(graph, label)); }

/// Labels of the tasks that a task waits for, in their order in the graph.
inline std::vector<std::string> waits_for(const TaskGraph& graph, const std::string& label) {
  std::vector<TaskIndex> indices = graph.tasks.at(find_task(graph, label)).dependencies;
  std::sort(indices.begin(), indices.end());
  std::vector<std::string> labels;
  for (const TaskIndex index : indices) labels.push_back(graph.tasks[index].label);
  return labels;
}

}  // namespace moesaic::testing
