#include "executor/profiling/reuse.h"

#include <algorithm>

#include "core/schema/error.h"

namespace moesaic::executor {

bool contains(const std::vector<TensorId>& list, TensorId tensor) {
  return std::find(list.begin(), list.end(), tensor) != list.end();
}

namespace {

Bytes bytes_on_device(const TaskGraph& graph, const Tensor& tensor, int64_t routed_rows) {
  const int64_t rows = tensor.rows == Rows::fixed ? tensor.fixed_rows
                       : is_window(tensor.rows)   ? graph.placement[tensor.moe_layer].slots_per_rank
                                                  : routed_rows;
  return bytes_of(tensor.dtype, rows * tensor.row_elements);
}

/// The tasks before `task`, the latest first, then the end of the step before it; `visit` returns false to stop.
template <typename Visit>
void for_earlier_tasks(const TaskGraph& graph, TaskIndex task, const Visit& visit) {
  const auto count = static_cast<int>(graph.tasks.size());
  for (int back = 1; back <= count; ++back) {
    const TaskIndex earlier = (task.value() - back + count) % count;
    if (!visit(graph.tasks[earlier], earlier >= task)) return;
  }
}

Bytes age_of(const TaskGraph& graph, TaskIndex task, TensorId tensor, int64_t routed_rows) {
  const Tensor& info = graph.tensors[tensor];
  OfTensors<bool> seen(graph.tensors.size(), false);
  Bytes between = 0, age = kFresh;
  const auto touch = [&](TensorId other) {
    if (seen[other]) return;
    seen[other] = true;
    between += bytes_on_device(graph, graph.tensors[other], routed_rows);
  };
  for_earlier_tasks(graph, task, [&](const Task& earlier, bool step_before) {
    if (step_before && info.kind == TensorKind::activation) return false;  // a new one in every step
    if (contains(earlier.reads, tensor) || contains(earlier.writes, tensor)) {
      age = between;
      return false;
    }
    std::for_each(earlier.reads.begin(), earlier.reads.end(), touch);
    std::for_each(earlier.writes.begin(), earlier.writes.end(), touch);
    return true;
  });
  return age;
}

std::vector<Bytes> medians(std::vector<std::vector<Bytes>> tasks) {
  std::vector<Bytes> result;
  for (size_t operand = 0; operand < tasks[0].size(); ++operand) {
    std::vector<Bytes> ages;
    for (const std::vector<Bytes>& task : tasks)
      if (operand < task.size()) ages.push_back(task[operand]);
    std::nth_element(ages.begin(), ages.begin() + static_cast<std::ptrdiff_t>(ages.size() / 2), ages.end());
    result.push_back(ages[ages.size() / 2]);
  }
  return result;
}

}  // namespace

OperandAges ages_of(const TaskGraph& graph, TaskIndex task, int64_t routed_rows) {
  const Task& info = graph.tasks[task];
  OperandAges ages;
  for (TensorId tensor : info.reads) ages.reads.push_back(age_of(graph, task, tensor, routed_rows));
  for (TensorId tensor : info.writes) ages.writes.push_back(age_of(graph, task, tensor, routed_rows));
  return ages;
}

OperandAges typical_ages(const TaskGraph& graph, const std::string& signature, int64_t routed_rows) {
  constexpr size_t kEnough = 32;  // tasks; a deep model repeats its layers
  std::vector<std::vector<Bytes>> reads, writes;
  for (TaskIndex i = 0; i < graph.tasks.next() && reads.size() < kEnough; ++i) {
    const Task& task = graph.tasks[i];
    if (is_collective(task.op) || signature_of(task.op, task.dtype, task.shape) != signature) continue;
    OperandAges ages = ages_of(graph, i, routed_rows);
    reads.push_back(std::move(ages.reads));
    writes.push_back(std::move(ages.writes));
  }
  MOESAIC_CHECK(!reads.empty(), "no task has the signature " + signature);
  return {medians(std::move(reads)), medians(std::move(writes))};
}

}  // namespace moesaic::executor
