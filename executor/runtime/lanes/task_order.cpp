#include "executor/runtime/lanes/task_order.h"

#include <algorithm>

namespace moesaic::executor {
namespace {

constexpr Event kEnded = -1;

}  // namespace

TaskOrder::TaskOrder(const TaskGraph& graph, Backend& backend)
    : graph_(graph),
      backend_(backend),
      lanes_(kNumLanes),
      successors_(graph.tasks.size()),
      seen_from_outside_(graph.tasks.size(), false) {
  for (TaskIndex index = 0; index < graph.tasks.next(); ++index) {
    const Task& task = graph.tasks[index];
    lanes_[static_cast<size_t>(task.lane)].push_back(index);
    initial_blockers_.push_back(static_cast<int>(task.dependencies.size()));
    for (TaskIndex dependency : task.dependencies) {
      successors_[dependency].push_back(index);
      if (lane_of(dependency) != task.lane) seen_from_outside_[dependency] = true;
    }
  }
}

void TaskOrder::start_step() {
  blockers_ = initial_blockers_;
  next_.assign(kNumLanes, 0);
  passed_.assign(graph_.tasks.size(), kEnded);
  remaining_ = graph_.tasks.size();
}

TaskIndex TaskOrder::head(Lane lane) const {
  const auto& tasks = lanes_[static_cast<size_t>(lane)];
  const size_t next = next_[static_cast<size_t>(lane)];
  return next < tasks.size() ? tasks[next] : -1;
}

bool TaskOrder::settled(TaskIndex task) {
  const auto& dependencies = graph_.tasks[task].dependencies;
  return std::all_of(dependencies.begin(), dependencies.end(), [this](TaskIndex dependency) {
    Event& passed = passed_[dependency];
    if (passed == kEnded) return true;
    if (!backend_.done(passed)) return false;
    passed = kEnded;
    return true;
  });
}

void TaskOrder::wait_on_device(TaskIndex task) {
  for (TaskIndex dependency : graph_.tasks[task].dependencies)
    if (passed_[dependency] != kEnded && lane_of(dependency) != lane_of(task))
      backend_.wait_for(lane_of(task), passed_[dependency]);
}

void TaskOrder::appended(TaskIndex task) {
  if (!backend_.runs_inline() && seen_from_outside_[task]) passed_[task] = backend_.record(lane_of(task));
  ended(task);
}

void TaskOrder::ended(TaskIndex task) {
  --remaining_;
  for (TaskIndex successor : successors_[task]) --blockers_[successor];
}

}  // namespace moesaic::executor
