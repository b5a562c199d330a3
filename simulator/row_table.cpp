#include "simulator/row_table.h"

#include <algorithm>

#include "core/schema/error.h"

namespace moesaic::simulator {

RowTable::RowTable(const TaskGraph& graph, const Plan& plan, int64_t step)
    : graph_(graph), iteration_(step * plan.layout.micro_batches) {
  const auto routed = [](const auto& item) { return item.rows != Rows::fixed; };
  const auto needs_counts = [&](const Task& task) { return routed(task) || is_routed(task.leg); };
  if (plan.model.routed_by_task ||  // experts are priced slot by slot
      std::any_of(graph.tasks.begin(), graph.tasks.end(), needs_counts) ||
      std::any_of(graph.tensors.begin(), graph.tensors.end(), routed))
    routing_.emplace(plan);
  for (const Task& task : graph.tasks) task_binding_.push_back(number_of(routed_rows(task)));
  for (const Tensor& tensor : graph.tensors) tensor_binding_.push_back(number_of(routed_rows(tensor)));
  rows_.assign(bindings_.size() * static_cast<size_t>(graph.num_ranks), -1);
}

/// The first microbatch with the same routing, of whatever step; rows are asked for from iteration 0 on.
int RowTable::same_microbatch(int microbatch) const {
  return static_cast<int>(routing_->same_as(iteration_ + microbatch));
}

int32_t RowTable::number_of(RoutedRows item) {
  if (item.rows == Rows::fixed) return -1;
  item.microbatch = item.rows == Rows::local ? -1 : same_microbatch(item.microbatch);
  const auto [entry, is_new] = known_.try_emplace(item, static_cast<int32_t>(bindings_.size()));
  if (is_new) bindings_.push_back(item);
  return entry->second;
}

int64_t RowTable::rows_bound(int32_t binding, int rank) {
  int64_t& rows =
      rows_[static_cast<size_t>(binding) * static_cast<size_t>(graph_.num_ranks) + static_cast<size_t>(rank)];
  if (rows < 0) rows = routing_->rows(bindings_[static_cast<size_t>(binding)], rank, 0);
  return rows;
}

int64_t RowTable::rows(TaskIndex task, int rank) {
  const int32_t binding = task_binding_[task];
  return binding < 0 ? graph_.tasks[task].fixed_rows : rows_bound(binding, rank);
}

Bytes RowTable::bytes(TensorId tensor, int rank) {
  const Tensor& shape = graph_.tensors[tensor];
  const int32_t binding = tensor_binding_[tensor];
  return bytes_of(shape.dtype, (binding < 0 ? shape.fixed_rows : rows_bound(binding, rank)) * shape.row_elements);
}

int32_t RowTable::routing_of(const Task& task) {
  MOESAIC_CHECK(routing_.has_value(), "task '" + task.label + "' asks for routing in a graph without any");
  const LayerChunk key{same_microbatch(task.microbatch), task.moe_layer, task.chunk, task.num_chunks};
  const auto [entry, is_new] = known_routings_.try_emplace(key, static_cast<int32_t>(routings_.size()));
  if (is_new) routings_.push_back(key);
  return entry->second;
}

const SlotCounts& RowTable::counts(int32_t routing, int rank) const {
  const auto [microbatch, moe_layer, chunk, num_chunks] = routings_[static_cast<size_t>(routing)];
  return routing_->counts(microbatch, moe_layer, rank, chunk, num_chunks);
}

}  // namespace moesaic::simulator
