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
    binding_.emplace(plan);
  std::map<RoutedRows, int32_t> known;
  for (const Task& task : graph.tasks) task_spec_.push_back(spec_of(routed_rows(task), known));
  for (const Tensor& tensor : graph.tensors) tensor_spec_.push_back(spec_of(routed_rows(tensor), known));
  known_rows_.assign(specs_.size() * static_cast<size_t>(graph.num_ranks), -1);
}

int32_t RowTable::spec_of(const RoutedRows& item, std::map<RoutedRows, int32_t>& known) {
  if (item.rows == Rows::fixed) return -1;
  const auto [entry, is_new] = known.try_emplace(item, static_cast<int32_t>(specs_.size()));
  if (is_new) specs_.push_back(item);
  return entry->second;
}

int64_t RowTable::rows_of_spec(int32_t spec, int rank) {
  int64_t& rows = known_rows_[static_cast<size_t>(spec) * graph_.num_ranks + rank];
  if (rows < 0) rows = binding_->rows(specs_[static_cast<size_t>(spec)], rank, iteration_);
  return rows;
}

int64_t RowTable::rows(TaskIndex task, int rank) {
  const int32_t spec = task_spec_[task];
  return spec < 0 ? graph_.tasks[task].fixed_rows : rows_of_spec(spec, rank);
}

Bytes RowTable::bytes(TensorId tensor, int rank) {
  const Tensor& shape = graph_.tensors[tensor];
  const int32_t spec = tensor_spec_[tensor];
  return bytes_of(shape.dtype, (spec < 0 ? shape.fixed_rows : rows_of_spec(spec, rank)) * shape.row_elements);
}

const SlotCounts& RowTable::counts(const Task& task, int rank) const {
  MOESAIC_CHECK(binding_.has_value(), "task '" + task.label + "' asks for routing in a graph without any");
  return binding_->counts(iteration_ + task.microbatch, task.moe_layer, rank, task.chunk, task.num_chunks);
}

}  // namespace moesaic::simulator
