#pragma once
// What has become of a flat exchange in a lowered graph.

#include <string>
#include <vector>

#include "core/graph/task_graph.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic::testing {

/// tiny_plan() with an expert and 64 tokens per rank.
inline Plan exchanging_plan(int nodes, int per_node, int ep, AllToAllKind kind) {
  Plan plan = tiny_plan(nodes * per_node, ep);
  plan.cluster.num_nodes = nodes, plan.cluster.devices_per_node = per_node;
  plan.model.num_experts = ep;
  plan.workload.global_batch = plan.layout.ranks;
  plan.workload.sequence_length = 64;
  plan.dispatch.all_to_all = kind;
  return plan;
}

struct ExchangeStep {
  std::string label, communicator;
  Leg leg;
  Regroup regroup;
  Rows rows;
  bool operator==(const ExchangeStep&) const = default;
};

/// The tasks that stand in the place of the exchange with this label.
inline std::vector<ExchangeStep> steps_of(const TaskGraph& graph, const std::string& exchange) {
  std::vector<ExchangeStep> steps;
  for (const Task& task : graph.tasks)
    if (task.label.starts_with(exchange + " / "))
      steps.push_back({task.label.substr(exchange.size() + 3),
                       task.communicator < 0 ? "" : graph.communicators[task.communicator].name, task.leg, task.regroup,
                       task.rows});
  return steps;
}

}  // namespace moesaic::testing
