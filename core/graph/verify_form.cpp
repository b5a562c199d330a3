#include <algorithm>
#include <bit>
#include <span>
#include <string_view>
#include <utility>

#include "core/graph/operands.h"
#include "core/graph/stages.h"
#include "core/graph/verify_rules.h"
#include "core/schema/error.h"

namespace moesaic::rules {
namespace {

bool is_ring(const Task& task) { return is_collective(task.op) && task.op != Op::all_to_all; }

}  // namespace

void views_have_a_base(const Subject& subject) {
  const TaskGraph& graph = subject.graph;
  for (const Tensor& tensor : graph.tensors) {
    MOESAIC_CHECK(tensor.view_of < std::ssize(graph.tensors),
                  subject.at(tensor) + "views a tensor that does not exist");
    MOESAIC_CHECK(tensor.view_of < 0 || subject.tensor(tensor.view_of).view_of < 0,
                  subject.at(tensor) + "views a view");
  }
}

void operands_exist(const Subject& subject, const Task& task) {
  for (const std::vector<TensorId>* list : {&task.reads, &task.writes, &task.after})
    for (TensorId id : *list)
      MOESAIC_CHECK(id >= 0 && id < std::ssize(subject.graph.tensors),
                    subject.at(task) + "uses a tensor that does not exist");
  MOESAIC_CHECK(task.communicator < std::ssize(subject.graph.communicators),
                subject.at(task) + "has a communicator that does not exist");
  MOESAIC_CHECK(!is_collective(task.op) || is_between_stages(task.leg) || !task.reads.empty(),
                subject.at(task) + "sends nothing");
  MOESAIC_CHECK(!is_collective(task.op) || !task.writes.empty(), subject.at(task) + "receives nothing");
}

/// An open hash table of the tasks' places: of graphs with tens of thousands of tasks a set of strings would cost more
/// than all other rules.
void labels_are_unique(const Subject& subject) {
  const OfTasks<Task>& tasks = subject.graph.tasks;
  std::vector<TaskIndex> table(std::bit_ceil(2 * tasks.size() + 1), -1);
  for (size_t i = 0; i < tasks.size(); ++i) {
    size_t slot = std::hash<std::string_view>{}(tasks[i].label) & (table.size() - 1);
    for (; table[slot] >= 0; slot = (slot + 1) & (table.size() - 1))
      MOESAIC_CHECK(tasks[table[slot]].label != tasks[i].label, subject.at(tasks[i]) + "its label is not unique");
    table[slot] = TaskIndex(i);
  }
}

void operators_have_their_fields(const Subject& subject, const Task& task) {
  MOESAIC_CHECK(is_collective(task.op) == (task.communicator >= 0),
                subject.at(task) + "collectives and only they have a communicator");
  MOESAIC_CHECK((task.op == Op::all_to_all) == (task.bytes_per_row > 0 && task.leg != Leg::none),
                subject.at(task) + "all-to-alls and only they have a leg and bytes per row");
  MOESAIC_CHECK(task.bytes == 0 || is_ring(task), subject.at(task) + "all but ring collectives have no fixed bytes");
  MOESAIC_CHECK(task.bytes_per_row == 0 || task.op == Op::all_to_all || (is_ring(task) && is_window(task.rows)),
                subject.at(task) + "all but all-to-alls and reductions of windows have no bytes per row");
  MOESAIC_CHECK((task.op == Op::regroup) == (task.regroup != Regroup::none),
                subject.at(task) + "regroupings and only they have an order");
  MOESAIC_CHECK(is_collective(task.op) == (task.lane == Lane::network),
                subject.at(task) + "collectives and only they run on the network lane");
  MOESAIC_CHECK(is_transfer(task.op) == (task.lane != Lane::compute && task.lane != Lane::network),
                subject.at(task) + "transfers and only they run on the copy, storage and host lanes");
}

/// Parameters, gradients, optimizer state and inputs exist from the start.
void tensors_are_defined_before_use(const Subject& subject) {
  const TaskGraph& graph = subject.graph;
  OfTensors<char> defined(graph.tensors.size());  // bytes, for speed
  for (size_t i = 0; i < graph.tensors.size(); ++i) defined[i] = graph.tensors[i].kind != TensorKind::activation;
  for (const Task& task : graph.tasks) {
    const auto check_defined = [&](TensorId tensor, const char* verb) {
      MOESAIC_CHECK(defined[tensor] != 0 || defined[graph.base_of(tensor)] != 0,
                    subject.at(task) + verb + subject.tensor(tensor).name + "' before it is written");
    };
    for (TensorId tensor : task.reads) check_defined(tensor, "reads '");
    for (TensorId tensor : task.after) check_defined(tensor, "waits for '");
    for (TensorId tensor : task.writes) defined[tensor] = true;
  }
}

/// But by the chunks of a task, by what adds to it, and by what works in place: what is written over would be lost.
void activations_are_written_once(const Subject& subject) {
  OfTensors<TaskIndex> writer(subject.graph.tensors.size(), -1);
  for (size_t i = 0; i < subject.graph.tasks.size(); ++i) {
    const Task& task = subject.graph.tasks[i];
    const std::span<const TensorId> sums = added_to_by(task);
    for (TensorId id : task.writes) {
      TaskIndex& last = writer[id];
      const TaskIndex before = std::exchange(last, TaskIndex(i));
      if (before < 0 || subject.tensor(id).kind != TensorKind::activation) continue;
      const Task& first = subject.graph.tasks[before];
      MOESAIC_CHECK((first.op == task.op && first.num_chunks > 1 && first.chunk < task.chunk) ||
                        std::find(sums.begin(), sums.end(), id) != sums.end() ||
                        std::find(task.reads.begin(), task.reads.end(), id) != task.reads.end(),
                    subject.at(task) + "writes over '" + subject.tensor(id).name + "' of '" + first.label + "'");
    }
  }
}

/// What another stage needs is sent.
void activations_stay_in_their_stage(const Subject& subject) {
  const TaskGraph& graph = subject.graph;
  if (graph.num_stages == 1) return;
  std::vector<int> home(graph.tensors.size(), -1);
  const auto touch = [&](const Task& task, TensorId id, int stage) {
    const auto base = static_cast<size_t>(graph.base_of(id));
    if (graph.tensors[base].kind != TensorKind::activation) return;
    if (home[base] < 0) home[base] = stage;
    MOESAIC_CHECK(stage >= 0 && home[base] == stage,
                  subject.at(task) + "uses '" + graph.tensors[base].name + "' of another stage");
  };
  for (const Task& task : graph.tasks) {
    for (TensorId id : task.reads) touch(task, id, task.stage);
    for (TensorId id : task.writes) touch(task, id, is_between_stages(task.leg) ? task.other_stage : task.stage);
  }
}

void dependencies_point_backwards(const Subject& subject) {
  for (size_t index = 0; index < subject.graph.tasks.size(); ++index) {
    const Task& task = subject.graph.tasks[index];
    for (TaskIndex dependency : task.dependencies)
      MOESAIC_CHECK(dependency >= 0 && dependency < TaskIndex(index), subject.at(task) + "depends on a later task");
  }
}

}  // namespace moesaic::rules
