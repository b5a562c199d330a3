#include "core/graph/task_graph.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "core/graph/stages.h"
#include "core/schema/error.h"

namespace moesaic {

const char* name_of(Lane lane) {
  constexpr const char* kNames[kNumLanes] = {"compute", "copy_in", "copy_out", "network", "storage", "host"};
  return kNames[static_cast<size_t>(lane)];
}

const char* name_of(Phase phase) {
  constexpr const char* kNames[] = {"forward", "backward", "update"};
  return kNames[static_cast<size_t>(phase)];
}

TensorId TaskGraph::add(Tensor tensor) {
  const TensorId id = tensors.next();
  tensors.push_back(std::move(tensor));
  return id;
}

int64_t TaskGraph::rows_between(Leg leg, int from, int to) const {
  MOESAIC_CHECK(leg != Leg::none && !is_routed(leg), "routing decides how many rows this leg moves");
  if (is_between_stages(leg) && (leg == Leg::next_stage ? from >= to : from <= to)) return 0;
  return tokens_of(leg == Leg::columns_out ? to : from);
}

const std::vector<int>& TaskGraph::group(int communicator, int rank) const {
  const CommunicatorFamily& family = communicators[communicator];
  return family.groups[family.group_of_rank[rank]];
}

int TaskGraph::position(int communicator, int rank) const {
  const std::vector<int>& members = group(communicator, rank);
  return static_cast<int>(std::find(members.begin(), members.end(), rank) - members.begin());
}

int TaskGraph::find_communicator(const std::string& name) const {
  for (size_t i = 0; i < communicators.size(); ++i)
    if (communicators[i].name == name) return static_cast<int>(i);
  return -1;
}

namespace {

/// Who touched a tensor last, in program order.
struct Access {
  TaskIndex writer = -1;
  std::vector<TaskIndex> readers;  // since the last write
};

void depend(std::vector<TaskIndex>& dependencies, TaskIndex on, TaskIndex self) {
  if (on < 0 || on == self) return;
  for (TaskIndex known : dependencies)
    if (known == on) return;
  dependencies.push_back(on);
}

/// The tensors that share memory with each one: itself, its base, or its views.
OfTensors<std::vector<TensorId>> aliases_of(const TaskGraph& graph) {
  OfTensors<std::vector<TensorId>> aliases(graph.tensors.size());
  for (size_t i = 0; i < graph.tensors.size(); ++i) {
    const auto self = TensorId(i);
    aliases[i].push_back(self);
    const TensorId base = graph.base_of(self);
    if (base == self) continue;
    aliases[i].push_back(base);
    aliases[base].push_back(self);
  }
  return aliases;
}

/// Adds what the tasks of one stage need of one another.
class StageLinker {
 public:
  StageLinker(TaskGraph& graph, const OfTensors<std::vector<TensorId>>& aliases, int stage)
      : graph_(graph), aliases_(aliases), stage_(stage), accesses_(graph.tensors.size()) {}

  void link(TaskIndex index) {
    static const std::vector<TensorId> kNone;
    Task& task = graph_.tasks[index];
    const std::vector<TensorId>&reads = reads_on(task, stage_) ? task.reads : kNone,
          &writes = writes_on(task, stage_) ? task.writes : kNone;
    for (TensorId tensor : reads) after_writers(tensor, index);
    for (TensorId tensor : task.after) after_writers(tensor, index);
    for (TensorId tensor : writes) {
      after_writers(tensor, index);
      for (TensorId alias : aliases_[tensor])
        for (TaskIndex reader : accesses_[alias].readers) depend(task.dependencies, reader, index);
    }
    for (TensorId tensor : reads) accesses_[tensor].readers.push_back(index);
    for (TensorId tensor : writes)  // all of a base, its views included; or one view
      for (TensorId alias : aliases_[tensor])
        if (alias == tensor || graph_.base_of(alias) == tensor) accesses_[alias] = {index, {}};
  }

 private:
  void after_writers(TensorId tensor, TaskIndex index) {
    for (TensorId alias : aliases_[tensor]) depend(graph_.tasks[index].dependencies, accesses_[alias].writer, index);
  }

  TaskGraph& graph_;
  const OfTensors<std::vector<TensorId>>& aliases_;
  const int stage_;
  OfTensors<Access> accesses_;
};

}  // namespace

void link_dependencies(TaskGraph& graph) {
  const OfTensors<std::vector<TensorId>> aliases = aliases_of(graph);
  Table<int, int> next_sequence(graph.communicators.size(), 0);
  for (Task& task : graph.tasks) {
    task.dependencies.clear();
    if (task.communicator >= 0) task.sequence = next_sequence[task.communicator]++;
  }
  for (int stage = 0; stage < graph.num_stages; ++stage) {
    StageLinker linker(graph, aliases, stage);
    for (TaskIndex index = 0; index < graph.tasks.next(); ++index)
      if (runs_on(graph.tasks[index], stage)) linker.link(index);
  }
}

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
  OfTensors<bool> defined(graph.tensors.size());
  for (size_t i = 0; i < graph.tensors.size(); ++i) {
    defined[i] = graph.tensors[i].kind != TensorKind::activation;
    const TensorId base = graph.base_of(TensorId(i));
    MOESAIC_CHECK(graph.base_of(base) == base, "after " + after + ", '" + graph.tensors[i].name + "' views a view");
  }
  std::unordered_set<std::string> labels;
  for (size_t index = 0; index < graph.tasks.size(); ++index) {
    const Task& task = graph.tasks[index];
    const std::string where = "after " + after + ", task '" + task.label + "': ";
    MOESAIC_CHECK(labels.insert(task.label).second, where + "its label is not unique");
    const auto check_defined = [&](TensorId tensor, const char* verb) {
      MOESAIC_CHECK(defined[tensor] || defined[graph.base_of(tensor)],
                    where + verb + graph.tensors[tensor].name + "' before it is written");
    };
    for (TensorId tensor : task.reads) check_defined(tensor, "reads '");
    for (TensorId tensor : task.after) check_defined(tensor, "waits for '");
    for (TensorId tensor : task.writes) defined[tensor] = true;
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
      MOESAIC_CHECK(dependency >= 0 && dependency < TaskIndex(index), where + "depends on a later task");
  }
}

}  // namespace moesaic
