#include "core/technique/parameter_groups.h"

#include <map>
#include <utility>

#include "core/graph/operands.h"

namespace moesaic {
namespace {

constexpr int64_t kAlignElements = 16;  // 64 bytes: one cache line, one AVX-512 register

int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

std::vector<int> in_order_of_completion(const TaskGraph& graph) {
  std::map<TensorId, int> parameter_of;
  for (size_t i = 0; i < graph.parameters.size(); ++i) parameter_of[graph.parameters[i].gradient] = static_cast<int>(i);
  std::vector<int> order;
  for (const Task& task : graph.tasks)
    if (is_gradient_reduction(graph, task)) order.push_back(parameter_of.at(gradient_of(task)));
  return order;
}

std::vector<int> as_declared(const TaskGraph& graph) {
  std::vector<int> order;
  for (size_t i = 0; i < graph.parameters.size(); ++i)
    if (graph.group(graph.parameters[i].replicas, 0).size() > 1 && graph.parameters[i].home == Tier::device)
      order.push_back(static_cast<int>(i));
  return order;
}

void append(const TaskGraph& graph, ParameterGroup& group, int parameter) {
  group.parameters.push_back(parameter);
  group.offsets.push_back(group.elements);
  group.elements += round_up(graph.parameters[parameter].elements, kAlignElements);
}

}  // namespace

bool is_gradient_reduction(const TaskGraph& graph, const Task& task) {
  return task.op == Op::all_reduce && graph.tensors[gradient_of(task)].kind == TensorKind::gradient;
}

Table<int, ParameterGroup> group_parameters(const TaskGraph& graph, Bytes limit, bool by_completion) {
  Table<int, ParameterGroup> closed;
  std::map<std::pair<int, int>, ParameterGroup> open;  // by communicator and pipeline stage
  const auto close = [&](ParameterGroup& group) {
    const auto members = static_cast<int64_t>(graph.group(group.communicator, 0).size());
    group.elements = round_up(group.elements, kAlignElements * members);
    closed.push_back(std::move(group));
    group = {};
  };
  for (int index : by_completion ? in_order_of_completion(graph) : as_declared(graph)) {
    const Parameter& next = graph.parameters[index];
    ParameterGroup& group = open[{next.replicas, next.stage}];
    if (!group.parameters.empty()) {
      const DType dtype = graph.tensors[next.weight].dtype;
      const bool fits = bytes_of(dtype, group.elements + next.elements) <= limit;
      const bool same_layer = graph.parameters[group.parameters[0]].layer == next.layer;
      if (!fits || (!by_completion && !same_layer)) close(group);
    }
    group.communicator = next.replicas;
    append(graph, group, index);
  }
  for (auto& [key, group] : open)
    if (!group.parameters.empty()) close(group);
  return closed;
}

}  // namespace moesaic
