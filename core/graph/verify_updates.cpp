#include "core/graph/operands.h"
#include "core/graph/verify_rules.h"
#include "core/operators/collectives.h"
#include "core/operators/optimizer.h"
#include "core/schema/error.h"

namespace moesaic::rules {
namespace {

using operands::AdamW, operands::Collective;

/// Whose elements AdamW updates when it writes a tensor.
struct Owner {
  int parameter = -1, group = -1;
};

/// [tensors]. Parameters of a group are updated through its share.
OfTensors<Owner> owners_of(const TaskGraph& graph) {
  OfTensors<Owner> owners(graph.tensors.size());
  for (size_t i = 0; i < graph.parameters.size(); ++i)
    owners[graph.parameters[i].weight].parameter = static_cast<int>(i);
  for (size_t i = 0; i < graph.groups.size(); ++i) {
    for (int member : graph.groups[i].parameters) owners[graph.parameters[member].weight] = {};
    owners[graph.groups[i].weight_share].group = static_cast<int>(i);
  }
  return owners;
}

class Updates {
 public:
  explicit Updates(const Subject& subject)
      : subject_(subject),
        owners_(owners_of(subject.graph)),
        originals_(originals_of(subject.graph)),
        updated_(subject.graph.parameters.size(), 0) {}

  void run() {
    for (const Task& task : subject_.graph.tasks) {
      if (task.op == Op::adamw) adamw(task);
      if (task.op == Op::update_experts) update_experts(task);
    }
    for (size_t i = 0; i < updated_.size(); ++i)
      MOESAIC_CHECK(updated_[i] == 1, subject_.at(subject_.graph.parameters[i]) + "is updated " +
                                          std::to_string(updated_[i]) + " times in a step");
  }

 private:
  void adamw(const Task& task) {
    const size_t count = task.writes.size() / AdamW::kWrites;
    MOESAIC_CHECK(task.writes.size() == count * AdamW::kWrites && task.reads.size() == count * AdamW::kReads,
                  subject_.at(task) + "has parts of a parameter's operands");
    int64_t elements = 0;
    for (size_t i = 0; i < count; ++i)
      elements += update_one(task, originals_[task.reads[AdamW::of_parameter(i, AdamW::gradient)]],
                             task.writes[AdamW::of_parameter(i, AdamW::weight)],
                             task.writes[AdamW::of_parameter(i, AdamW::moments)],
                             task.writes[AdamW::of_parameter(i, AdamW::cleared)]);
    MOESAIC_CHECK(task.fixed_rows == elements, subject_.at(task) + "updates other elements than it has");
  }

  /// Elements of the rank. Moments: two per element, and a master copy of weights that are no f32.
  int64_t update_one(const Task& task, TensorId gradient, TensorId weight, TensorId moments, TensorId cleared) {
    const TaskGraph& graph = subject_.graph;
    const auto [parameter, group] = owners_[weight];
    MOESAIC_CHECK(parameter >= 0 || group >= 0,
                  subject_.at(task) + "'" + subject_.tensor(weight).name + "' is nobody's weight or share");
    int64_t elements = 0;
    if (group >= 0) {
      const ParameterGroup& of = graph.groups[group];
      const Parameter& first = graph.parameters[of.parameters[0]];
      elements = of.elements / subject_.members(of.communicator, first.stage);
      for (int member : of.parameters) ++updated_[static_cast<size_t>(member)];
      MOESAIC_CHECK(moments == of.moments, subject_.at(task) + "has other moments than its group");
    } else {
      const Parameter& of = graph.parameters[parameter];
      elements = of.elements;
      ++updated_[static_cast<size_t>(parameter)];
      MOESAIC_CHECK(moments == of.moments && gradient == of.gradient,
                    subject_.at(task) + "has another gradient or moments than '" + of.name + "'");
    }
    const int64_t states = fixed_elements(subject_.tensor(moments));
    MOESAIC_CHECK(fixed_elements(subject_.tensor(gradient)) == elements &&
                      fixed_elements(subject_.tensor(weight)) == elements &&
                      (states == 2 * elements || states == 3 * elements),
                  subject_.at(task) + "its operands have not the elements of '" + subject_.tensor(weight).name + "'");
    MOESAIC_CHECK(graph.base_of(cleared) == graph.base_of(gradient),
                  subject_.at(task) + "clears another gradient than it read");
    return elements;
  }

  void update_experts(const Task& task) {
    for (size_t i = 0; i < updated_.size(); ++i) {
      const Parameter& parameter = subject_.graph.parameters[i];
      if (parameter.moe_layer != task.moe_layer || parameter.moe_layer < 0) continue;
      MOESAIC_CHECK(parameter.home != Tier::device,
                    subject_.at(task) + "updates '" + parameter.name + "', which lives on the device");
      ++updated_[i];
    }
  }

  const Subject& subject_;
  const OfTensors<Owner> owners_;
  const OfTensors<TensorId> originals_;
  std::vector<int> updated_;  // [parameters]
};

}  // namespace

/// One behind the other, as equal shares of all members cover them with what they are padded by.
void groups_hold_their_parameters(const Subject& subject) {
  std::vector<bool> grouped(subject.graph.parameters.size(), false);
  for (const ParameterGroup& group : subject.graph.groups) {
    int64_t end = 0;
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      const auto index = static_cast<size_t>(group.parameters[i]);
      const Parameter& member = subject.graph.parameters[index];
      MOESAIC_CHECK(!grouped[index] && member.replicas == group.communicator,
                    subject.at(member) + "is in several groups, or in one of other ranks");
      MOESAIC_CHECK(group.offsets[i] >= end, subject.at(member) + "overlaps the one before it in its group");
      grouped[index] = true;
      end = group.offsets[i] + member.elements;
    }
    const Parameter& first = subject.graph.parameters[group.parameters.at(0)];
    const int64_t share = fixed_elements(subject.tensor(group.weight_share));
    MOESAIC_CHECK(end <= group.elements && share * subject.members(group.communicator, first.stage) == group.elements,
                  subject.at(subject.tensor(group.weight_share)) + "shares of all members do not cover the group");
  }
}

void parameters_are_updated_once(const Subject& subject) {
  if (subject.trains()) Updates(subject).run();
}

/// Where states live on storage the cache may put a store off, but not forget it. A flush is of no layer.
void updated_experts_are_stored(const Subject& subject) {
  std::vector<int> stores(subject.graph.placement.size(), 0);  // [MoE layers]
  for (const Task& task : subject.graph.tasks)
    if (task.op == Op::store_experts && task.moe_layer >= 0) ++stores[static_cast<size_t>(task.moe_layer)];
  for (const Parameter& parameter : subject.graph.parameters)
    MOESAIC_CHECK(parameter.home != Tier::storage || stores[static_cast<size_t>(parameter.moe_layer)] == 1,
                  subject.at(parameter) + "lives on storage and is not stored once behind its update");
}

/// Where weights live whole, the next step reads them whole.
void updated_shares_are_gathered(const Subject& subject) {
  if (!subject.trains() || subject.graph.groups.empty()) return;
  OfTensors<int> gathers(subject.graph.tensors.size(), 0);  // behind the update
  for (const Task& task : subject.graph.tasks) {
    if (task.op == Op::all_gather && task.writes[Collective::received] == subject.graph.base_of(input_of(task)))
      ++gathers[input_of(task)];
    if (task.op == Op::adamw)
      for (size_t i = 0; i < task.writes.size(); i += AdamW::kWrites) gathers[task.writes[i + AdamW::weight]] = 0;
  }
  for (const ParameterGroup& group : subject.graph.groups)
    MOESAIC_CHECK(gathers[group.weight_share] == (group.shares_weights ? 0 : 1),
                  subject.at(subject.tensor(group.weight_share)) + "is not gathered once behind its update");
}

}  // namespace moesaic::rules
