#include "simulator/step_program.h"

#include <algorithm>
#include <array>

#include "core/graph/stages.h"

namespace moesaic::simulator {

StepProgram::StepProgram(const TaskGraph& graph, int stage) {
  const size_t num_tasks = graph.tasks.size();
  std::vector<std::vector<TaskIndex>> predecessors(num_tasks);
  std::array<TaskIndex, kNumLanes> previous_of_lane;
  previous_of_lane.fill(-1);
  first_successor_.assign(num_tasks + 1, 0);
  for (size_t i = 0; i < num_tasks; ++i) {
    const Task& task = graph.tasks[i];
    const bool meets = task.communicator >= 0;
    first_meeting_.push_back(meets ? num_meetings_ : -1);
    if (meets) num_meetings_ += static_cast<int32_t>(graph.communicators[task.communicator].groups.size());
    num_predecessors_.push_back(-1);
    if (!runs_on(task, stage)) continue;
    ++num_tasks_;
    std::vector<TaskIndex>& before = predecessors[i];
    for (TaskIndex dependency : task.dependencies)
      if (runs_on(graph.tasks[dependency], stage)) before.push_back(dependency);
    TaskIndex& previous = previous_of_lane[static_cast<size_t>(task.lane)];
    if (previous >= 0 && std::find(before.begin(), before.end(), previous) == before.end()) before.push_back(previous);
    previous = TaskIndex(i);
    num_predecessors_.back() = static_cast<int32_t>(before.size());
    for (TaskIndex predecessor : before) ++first_successor_[predecessor.value() + 1];
  }
  for (size_t i = 0; i < num_tasks; ++i) first_successor_[i + 1] += first_successor_[i];
  successors_.resize(static_cast<size_t>(first_successor_[num_tasks]));
  std::vector<int32_t> next(first_successor_.begin(), first_successor_.end() - 1);
  for (size_t i = 0; i < num_tasks; ++i)
    for (TaskIndex predecessor : predecessors[i])
      successors_[static_cast<size_t>(next[static_cast<size_t>(predecessor)]++)] = TaskIndex(i);
}

}  // namespace moesaic::simulator
