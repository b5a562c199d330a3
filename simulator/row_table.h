#pragma once
// The rows of every task and tensor for every rank in one step, computed once each. It adds speed to RoutingBinding, no
// rule of its own.

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "core/graph/routing_binding.h"

namespace moesaic::simulator {

class RowTable {
 public:
  /// `graph` and `plan` must outlive the table. `step` chooses which iterations of the routing document are bound.
  RowTable(const TaskGraph& graph, const Plan& plan, int64_t step);

  int64_t rows(TaskIndex task, int rank);
  Bytes bytes(TensorId tensor, int rank);
  /// The rows of the expert-parallel group of `rank`. For tasks of MoE layers.
  const SlotCounts& counts(const Task& task, int rank) const;

 private:
  int32_t spec_of(const RoutedRows& item, std::map<RoutedRows, int32_t>& known);
  int64_t rows_of_spec(int32_t spec, int rank);

  const TaskGraph& graph_;
  int64_t iteration_;
  std::optional<RoutingBinding> binding_;  // absent where no size depends on routing
  std::vector<RoutedRows> specs_;          // each once
  OfTasks<int32_t> task_spec_;             // -1: fixed rows
  OfTensors<int32_t> tensor_spec_;         // the same
  std::vector<int64_t> known_rows_;        // [specs, ranks], -1: not yet asked for
};

}  // namespace moesaic::simulator
