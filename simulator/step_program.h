#pragma once
// The order in which the tasks of a pipeline stage may start: dependencies plus the lane order, as counters and flat
// successor lists over the tasks that the stage runs. It is the same for every rank of the stage and holds no times.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/graph/task_graph.h"

namespace moesaic::simulator {

/// A lane runs its tasks one at a time in program order, which is one more dependency: on the lane's previous task.
/// What a task waits for anyway, since something else that it waits for waits for it, is left out.
class StepProgram {
 public:
  using Local = int32_t;  // position among the tasks of the stage, in program order

  StepProgram(const TaskGraph& graph, int stage);

  int64_t num_tasks() const { return std::ssize(tasks_); }
  TaskIndex task(Local task) const { return tasks_[static_cast<size_t>(task)]; }
  Local local(TaskIndex task) const { return local_[task]; }  // -1: the stage does not run it
  /// The task that starts when this one ends and at no other time, while nobody else waits for this one: both are work
  /// for the rank's core, which only one lane of the stage works on. -1: none.
  Local next_in_chain(Local task) const { return next_in_chain_[static_cast<size_t>(task)]; }
  const std::vector<int32_t>& num_predecessors() const { return num_predecessors_; }  // [tasks of the stage]
  std::span<const Local> successors(Local task) const {
    const auto at = static_cast<size_t>(task);
    return {successors_.data() + first_successor_[at], successors_.data() + first_successor_[at + 1]};
  }

 private:
  using Done = std::array<Local, kNumLanes>;  // of each lane the last task known to have ended; -1: none
  /// Of the tasks that `task` waits for, those that the others do not wait for.
  static std::vector<Local> needed(std::vector<Local> before, const std::vector<Done>& done_before,
                                   const std::vector<Lane>& lanes, Done& done);
  void list_successors(const std::vector<std::vector<Local>>& predecessors);
  void find_chains(const TaskGraph& graph);

  std::vector<TaskIndex> tasks_;
  OfTasks<Local> local_;
  std::vector<int32_t> num_predecessors_;
  std::vector<int32_t> first_successor_;  // [tasks + 1]
  std::vector<Local> successors_;
  std::vector<Local> next_in_chain_;  // [tasks of the stage]
};

}  // namespace moesaic::simulator
