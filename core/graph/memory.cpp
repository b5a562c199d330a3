#include "core/graph/memory.h"

#include "core/graph/stages.h"

namespace moesaic {

Liveness liveness_of(const TaskGraph& graph, int stage) {
  Liveness liveness{OfTasks<std::vector<TensorId>>(graph.tasks.size()),
                    OfTasks<std::vector<TensorId>>(graph.tasks.size())};
  OfTensors<TaskIndex> first(graph.tensors.size(), -1), last(graph.tensors.size(), -1);
  for (size_t index = 0; index < graph.tasks.size(); ++index) {
    const Task& task = graph.tasks[index];
    if (!runs_on(task, stage)) continue;
    const auto touch = [&](TensorId used) {
      const TensorId tensor = graph.base_of(used);
      if (first[tensor] < 0) first[tensor] = TaskIndex(index);
      last[tensor] = TaskIndex(index);
    };
    if (reads_on(task, stage))
      for (TensorId tensor : task.reads) touch(tensor);
    if (writes_on(task, stage))
      for (TensorId tensor : task.writes) touch(tensor);
  }
  for (size_t tensor = 0; tensor < graph.tensors.size(); ++tensor) {
    if (graph.tensors[tensor].kind != TensorKind::activation || first[tensor] < 0) continue;
    liveness.created[first[tensor]].push_back(TensorId(tensor));
    liveness.released[last[tensor]].push_back(TensorId(tensor));
  }
  return liveness;
}

Bytes resident_bytes(const TaskGraph& graph, Tier tier, int stage) {
  const OfTensors<bool> elsewhere = held_elsewhere(graph, stage);
  Bytes bytes = 0;
  for (size_t i = 0; i < graph.tensors.size(); ++i) {
    const Tensor& tensor = graph.tensors[i];
    if (tensor.kind != TensorKind::activation && tensor.view_of < 0 && tensor.tier == tier && !elsewhere[i])
      bytes += bytes_of(tensor.dtype, tensor.fixed_rows * tensor.row_elements);
  }
  return bytes;
}

MemoryPeak memory_peak(const TaskGraph& graph, const RoutingBinding& binding, int rank, int64_t iteration) {
  const int stage = graph.stage_of(rank);
  const Liveness liveness = liveness_of(graph, stage);
  OfTensors<Bytes> size(graph.tensors.size(), 0);
  OfTensors<bool> alive(graph.tensors.size(), false);
  Bytes bytes = resident_bytes(graph, Tier::device, stage);
  MemoryPeak peak;
  for (size_t index = 0; index < graph.tasks.size(); ++index) {
    for (TensorId tensor : liveness.created[index]) {
      bytes += size[tensor] = binding.bytes(graph.tensors[tensor], rank, iteration);
      alive[tensor] = true;
    }
    if (bytes > peak.bytes) {
      peak = {bytes, TaskIndex(index), -1, 0};
      for (size_t tensor = 0; tensor < size.size(); ++tensor)
        if (alive[tensor] && size[tensor] > peak.largest_bytes)
          peak.largest = TensorId(tensor), peak.largest_bytes = size[tensor];
    }
    for (TensorId tensor : liveness.released[index]) {
      bytes -= size[tensor];
      alive[tensor] = false;
    }
  }
  return peak;
}

}  // namespace moesaic
