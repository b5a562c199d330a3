#include "core/graph/operands.h"
#include "core/graph/verify_rules.h"
#include "core/schema/error.h"

namespace moesaic::rules {

/// Inputs of ranks with different numbers of tokens count as the largest.
void residents_have_known_sizes(const Subject& subject) {
  for (const Tensor& tensor : subject.graph.tensors)
    MOESAIC_CHECK(tensor.fixed_rows >= 0 && tensor.row_elements >= 0 &&
                      (tensor.kind == TensorKind::activation || tensor.rows == Rows::fixed ||
                       (tensor.rows == Rows::local && tensor.fixed_rows == subject.graph.tokens_per_rank)),
                  subject.at(tensor) + "lives from step to step, and its size is unknown");
}

void activations_are_on_the_device(const Subject& subject) {
  for (const Tensor& tensor : subject.graph.tensors)
    MOESAIC_CHECK(tensor.kind != TensorKind::activation || tensor.tier == Tier::device,
                  subject.at(tensor) + "comes and goes outside the device, where nothing counts it");
}

void routing_can_bind_every_tensor(const Subject& subject) {
  const auto moe_layers = static_cast<int>(subject.graph.placement.size());
  for (const Tensor& tensor : subject.graph.tensors)
    MOESAIC_CHECK(tensor.rows <= Rows::local ||
                      (tensor.moe_layer >= 0 && tensor.moe_layer < moe_layers && tensor.microbatch >= 0),
                  subject.at(tensor) + "routing cannot say how many rows it has");
}

/// What a rank keeps of a parameter on its device counts from the start: weights, and in training moments.
void parameters_are_resident(const Subject& subject) {
  const TaskGraph& graph = subject.graph;
  std::vector<const ParameterGroup*> group_of(graph.parameters.size(), nullptr);
  for (const ParameterGroup& group : graph.groups)
    for (int member : group.parameters) group_of[static_cast<size_t>(member)] = &group;
  for (size_t i = 0; i < graph.parameters.size(); ++i) {
    const Parameter& parameter = graph.parameters[i];
    if (parameter.home != Tier::device) continue;
    const ParameterGroup* group = group_of[i];
    const Tensor& weight =
        subject.tensor(group != nullptr && group->shares_weights ? group->weight_share : parameter.weight);
    MOESAIC_CHECK(weight.kind == TensorKind::parameter, subject.at(parameter) + "no memory is counted for its weights");
    if (!subject.trains()) continue;
    const Tensor& moments = subject.tensor(group != nullptr ? group->moments : parameter.moments);
    MOESAIC_CHECK(moments.kind == TensorKind::optimizer,
                  subject.at(parameter) + "no memory is counted for its moments");
  }
}

/// Weights and both moments where they live, gradients in host memory.
void expert_states_have_a_home(const Subject& subject) {
  const TaskGraph& graph = subject.graph;
  int64_t away = 0;
  Tier home = Tier::device;
  for (const Parameter& parameter : graph.parameters)
    if (parameter.home != Tier::device) away += parameter.elements, home = parameter.home;
  if (away == 0) return;
  int64_t states = 0, gradients = 0;
  for (const Tensor& tensor : graph.tensors) {
    if (tensor.kind == TensorKind::optimizer && tensor.tier == home) states += fixed_elements(tensor);
    if (tensor.kind == TensorKind::gradient && tensor.tier == Tier::host) gradients += fixed_elements(tensor);
  }
  MOESAIC_CHECK(states == 3 * away && gradients == away,
                "after " + subject.after + ": no memory is counted for " + std::to_string(3 * away - states) +
                    " elements of expert states and " + std::to_string(away - gradients) + " of their gradients");
}

/// Memory of an activation is released behind its last use: what nobody uses would cost none. What collectives bring
/// and transfers move is for somebody; the stores of changed states alone end a step, and a forward step ends with its
/// result.
void what_arrives_is_used(const Subject& subject) {
  const TaskGraph& graph = subject.graph;
  OfTensors<char> used(graph.tensors.size(), 0);
  for (const Task& task : graph.tasks)
    for (const std::vector<TensorId>* list : {&task.reads, &task.after})
      for (TensorId id : *list) used[id] = 1;
  for (size_t i = 0; i < used.size(); ++i)  // views come before or behind their base
    if (used[i]) used[graph.base_of(TensorId(i))] = 1;
  for (const Task& task : graph.tasks) {
    if (!is_collective(task.op) && !is_transfer(task.op)) continue;
    if (task.op == Op::update_experts || task.op == Op::store_experts) continue;
    if (!subject.trains() && &task == &graph.tasks.back()) continue;
    for (TensorId id : task.writes)
      MOESAIC_CHECK(used[graph.base_of(id)] != 0 || subject.tensor(id).kind != TensorKind::activation,
                    subject.at(task) + "nobody uses '" + subject.tensor(id).name + "'");
  }
}

}  // namespace moesaic::rules
