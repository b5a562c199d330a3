#include "simulator/step_program.h"

#include <algorithm>
#include <functional>

#include "core/graph/stages.h"

namespace moesaic::simulator {
namespace {

bool works_on_core(const Task& task) {
  return task.communicator < 0 && !is_collective(task.op) && !is_transfer(task.op);
}

}  // namespace

StepProgram::StepProgram(const TaskGraph& graph, int stage) : local_(graph.tasks.size(), -1) {
  std::vector<std::vector<Local>> predecessors;
  for (size_t i = 0; i < graph.tasks.size(); ++i) {
    if (!runs_on(graph.tasks[i], stage)) continue;
    local_[i] = static_cast<Local>(tasks_.size());
    tasks_.emplace_back(i);
  }
  std::vector<Done> done_before;  // [tasks]: what has ended when a task starts
  std::vector<Lane> lanes;
  Done previous_of_lane;
  previous_of_lane.fill(-1);
  for (Local own = 0; own < num_tasks(); ++own) {
    const Task& task = graph.tasks[tasks_[static_cast<size_t>(own)]];
    std::vector<Local> before;
    for (const TaskIndex dependency : task.dependencies)
      if (local_[dependency] >= 0) before.push_back(local_[dependency]);
    Local& previous = previous_of_lane[static_cast<size_t>(task.lane)];
    if (previous >= 0) before.push_back(previous);
    previous = own;
    lanes.push_back(task.lane);
    Done& done = done_before.emplace_back();
    done.fill(-1);
    predecessors.push_back(needed(std::move(before), done_before, lanes, done));
    num_predecessors_.push_back(static_cast<int32_t>(predecessors.back().size()));
  }
  list_successors(predecessors);
  find_chains(graph);
}

/// From the latest on: a task can only wait for earlier ones, and a lane that is done with a task is done with all
/// before it.
std::vector<StepProgram::Local> StepProgram::needed(std::vector<Local> before, const std::vector<Done>& done_before,
                                                    const std::vector<Lane>& lanes, Done& done) {
  std::sort(before.begin(), before.end(), std::greater<>());
  std::vector<Local> kept;
  const auto own = static_cast<Local>(done_before.size()) - 1;
  for (const Local task : before) {
    if (task >= own) {  // a defect of the graph, which shows when nothing can start any more
      kept.push_back(task);
      continue;
    }
    const auto at = static_cast<size_t>(task);
    Local& of_lane = done[static_cast<size_t>(lanes[at])];
    if (task <= of_lane) continue;
    kept.push_back(task);
    of_lane = task;
    for (size_t lane = 0; lane < done.size(); ++lane) done[lane] = std::max(done[lane], done_before[at][lane]);
  }
  return kept;
}

void StepProgram::list_successors(const std::vector<std::vector<Local>>& predecessors) {
  first_successor_.assign(tasks_.size() + 1, 0);
  for (const std::vector<Local>& before : predecessors)
    for (const Local task : before) ++first_successor_[static_cast<size_t>(task) + 1];
  for (size_t i = 0; i < tasks_.size(); ++i) first_successor_[i + 1] += first_successor_[i];
  successors_.resize(static_cast<size_t>(first_successor_.back()));
  std::vector<int32_t> next(first_successor_.begin(), first_successor_.end() - 1);
  for (size_t i = 0; i < tasks_.size(); ++i)
    for (const Local task : predecessors[i])
      successors_[static_cast<size_t>(next[static_cast<size_t>(task)]++)] = static_cast<Local>(i);
}

void StepProgram::find_chains(const TaskGraph& graph) {
  next_in_chain_.assign(tasks_.size(), -1);
  const auto task_at = [&](Local task) -> const Task& { return graph.tasks[tasks_[static_cast<size_t>(task)]]; };
  for (Local task = 0; task < num_tasks(); ++task)
    if (works_on_core(task_at(task)) && task_at(task).lane != Lane::compute) return;  // it would share the core
  for (Local task = 0; task < num_tasks(); ++task) {
    if (!works_on_core(task_at(task)) || successors(task).size() != 1) continue;
    const Local next = successors(task).front();
    if (works_on_core(task_at(next)) && num_predecessors_[static_cast<size_t>(next)] == 1)
      next_in_chain_[static_cast<size_t>(task)] = next;
  }
}

}  // namespace moesaic::simulator
