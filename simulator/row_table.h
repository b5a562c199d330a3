#pragma once
// The rows of every task and tensor for every rank in one step, computed once each. It adds speed to RoutingBinding, no
// rule of its own.

#include <array>
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

  /// What binds the rows of a task or tensor, numbered from 0; -1: they are fixed. Microbatches that are routed alike
  /// have the same.
  int32_t binding(TaskIndex task) const { return task_binding_[task]; }
  int32_t binding(TensorId tensor) const { return tensor_binding_[tensor]; }
  int64_t rows_bound(int32_t binding, int rank);

  int64_t rows(TaskIndex task, int rank);
  Bytes bytes(TensorId tensor, int rank);

  /// Which rows per slot a task of a MoE layer is about, numbered from 0; the same for microbatches that are routed
  /// alike.
  int32_t routing_of(const Task& task);
  /// They, of the expert-parallel group of `rank`.
  const SlotCounts& counts(int32_t routing, int rank) const;

 private:
  int32_t number_of(RoutedRows item);
  int same_microbatch(int microbatch) const;

  const TaskGraph& graph_;
  int64_t iteration_;
  std::optional<RoutingBinding> routing_;  // absent where no size depends on routing
  std::map<RoutedRows, int32_t> known_;
  std::vector<RoutedRows> bindings_;  // each once
  OfTasks<int32_t> task_binding_;
  OfTensors<int32_t> tensor_binding_;
  std::vector<int64_t> rows_;             // [bindings, ranks], -1: not yet asked for
  using LayerChunk = std::array<int, 4>;  // microbatch, MoE layer, chunk, number of chunks
  std::map<LayerChunk, int32_t> known_routings_;
  std::vector<LayerChunk> routings_;
};

}  // namespace moesaic::simulator
