#include "core/graph/verify.h"

#include <unordered_set>

#include "core/schema/error.h"

namespace moesaic {
namespace {

/// Activations stay in their stage; what another one needs is sent.
void verify_stages(const TaskGraph& graph, const std::string& after) {
  std::vector<int> home(graph.tensors.size(), -1);
  const auto touch = [&](const Task& task, TensorId id, int stage) {
    const auto base = static_cast<size_t>(graph.base_of(id));
    if (graph.tensors[base].kind != TensorKind::activation) return;
    if (home[base] < 0) home[base] = stage;
    MOESAIC_CHECK(stage >= 0 && home[base] == stage, "after " + after + ", task '" + task.label + "' uses '" +
                                                         graph.tensors[base].name + "' of another stage");
  };
  for (const Task& task : graph.tasks) {
    for (TensorId id : task.reads) touch(task, id, task.stage);
    for (TensorId id : task.writes) touch(task, id, is_between_stages(task.leg) ? task.other_stage : task.stage);
  }
}

}  // namespace

void verify(const TaskGraph& graph, const std::string& after) {
  if (graph.num_stages > 1) verify_stages(graph, after);
  std::vector<bool> defined(graph.tensors.size());
  for (size_t i = 0; i < graph.tensors.size(); ++i) {
    defined[i] = graph.tensors[i].kind != TensorKind::activation;
    const TensorId base = graph.base_of(static_cast<TensorId>(i));
    MOESAIC_CHECK(graph.base_of(base) == base, "after " + after + ", '" + graph.tensors[i].name + "' views a view");
  }
  std::unordered_set<std::string> labels;
  for (size_t index = 0; index < graph.tasks.size(); ++index) {
    const Task& task = graph.tasks[index];
    const std::string where = "after " + after + ", task '" + task.label + "': ";
    MOESAIC_CHECK(labels.insert(task.label).second, where + "its label is not unique");
    const auto check_defined = [&](TensorId tensor, const char* verb) {
      MOESAIC_CHECK(defined[static_cast<size_t>(tensor)] || defined[static_cast<size_t>(graph.base_of(tensor))],
                    where + verb + graph.tensors[static_cast<size_t>(tensor)].name + "' before it is written");
    };
    for (TensorId tensor : task.reads) check_defined(tensor, "reads '");
    for (TensorId tensor : task.after) check_defined(tensor, "waits for '");
    for (TensorId tensor : task.writes) defined[static_cast<size_t>(tensor)] = true;
    MOESAIC_CHECK(is_collective(task.op) == (task.communicator >= 0),
                  where + "collectives and only they have a communicator");
    MOESAIC_CHECK((task.op == Op::all_to_all) == (task.bytes_per_row > 0 && task.leg != Leg::none),
                  where + "all-to-alls and only they have a leg and bytes per row");
    MOESAIC_CHECK((task.op == Op::regroup) == (task.regroup != Regroup::none),
                  where + "regroupings and only they have an order");
    MOESAIC_CHECK(is_collective(task.op) == (task.lane == Lane::network),
                  where + "collectives and only they run on the network lane");
    MOESAIC_CHECK(is_transfer(task.op) == (task.lane != Lane::compute && task.lane != Lane::network),
                  where + "transfers and only they run on the copy, storage and host lanes");
    for (TaskIndex dependency : task.dependencies)
      MOESAIC_CHECK(dependency >= 0 && dependency < static_cast<TaskIndex>(index), where + "depends on a later task");
  }
}

}  // namespace moesaic
