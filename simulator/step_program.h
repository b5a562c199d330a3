#pragma once
// The order in which the tasks of a rank may start: dependencies plus the lane order, as counters and flat successor
// lists. It is the same for every rank of a pipeline stage and holds no times.

#include <cstdint>
#include <span>
#include <vector>

#include "core/graph/task_graph.h"

namespace moesaic::simulator {

/// A lane runs its tasks one at a time in program order, which is one more dependency: on the lane's previous task.
class StepProgram {
 public:
  StepProgram(const TaskGraph& graph, int stage);

  int64_t num_tasks() const { return num_tasks_; }                                    // that the stage runs
  const std::vector<int32_t>& num_predecessors() const { return num_predecessors_; }  // [tasks]; -1: of another stage
  std::span<const TaskIndex> successors(TaskIndex task) const {
    return {successors_.data() + first_successor_[task], successors_.data() + first_successor_[task.value() + 1]};
  }
  /// Number of the first meeting point of a collective's groups; the meeting points of group g have that number plus g.
  int32_t first_meeting(TaskIndex task) const { return first_meeting_[task]; }
  int32_t num_meetings() const { return num_meetings_; }

 private:
  int64_t num_tasks_ = 0;
  OfTasks<int32_t> num_predecessors_;
  OfTasks<int32_t> first_successor_;  // [tasks + 1]
  std::vector<TaskIndex> successors_;
  OfTasks<int32_t> first_meeting_;  // -1: no collective
  int32_t num_meetings_ = 0;
};

}  // namespace moesaic::simulator
