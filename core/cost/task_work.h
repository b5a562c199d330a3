#pragma once
// How much a task of one rank has to do, as numbers for people: operations, and bytes in memory, between ranks, between
// tiers. It prices nothing.

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/graph/routing_binding.h"

namespace moesaic {

/// 0: none, or, of expert states between host memory and storage, what no routing alone decides (core/policy).
struct TaskWork {
  double flops = 0;
  double memory_bytes = 0;                           // read and written in device memory, each operand once
  Bytes intra_node_bytes = 0, inter_node_bytes = 0;  // out of the rank's ports, by the algorithms of core/network
  Bytes moved_bytes = 0;                             // of expert states, onto the device or from it
};

class WorkOfTasks {
 public:
  /// Both must outlive it. `step` chooses which iterations of the routing document are bound.
  WorkOfTasks(const TaskGraph& graph, const Plan& plan, int64_t step);

  TaskWork of(TaskIndex task, int rank);

 private:
  const RoutingBinding& binding();
  const SlotCounts& counts(const Task& task, int rank);
  int64_t rows(const Task& task, int rank);
  TaskWork computed(const Task& task, int rank);
  TaskWork sent(TaskIndex index, int rank);
  Bytes moved(const Task& task, int rank);

  const TaskGraph& graph_;
  const Plan& plan_;
  const int64_t iteration_;
  std::optional<RoutingBinding> binding_;                            // where a size depends on routing
  std::map<std::pair<TaskIndex, int>, std::vector<TaskWork>> sent_;  // by task and group: [members]
};

}  // namespace moesaic
