#include "core/graph/task_graph.h"

#include <algorithm>

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

}  // namespace moesaic
