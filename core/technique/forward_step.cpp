#include "core/technique/forward_step.h"

#include <algorithm>

#include "core/schema/error.h"
#include "core/technique/agree_on_update.h"

namespace moesaic {

TaskGraph forward_step(TaskGraph training) {
  const TaskIndex verdict = verdict_task(training);
  MOESAIC_CHECK(verdict >= 0, "a step that trains nothing has no forward pass of its own");
  OfTasks<Task> kept;
  for (TaskIndex i = 0; i < training.tasks.next(); ++i) {
    const bool sums_losses = i == verdict && training.tasks[i].op == Op::all_reduce;
    if (training.tasks[i].phase == Phase::forward || sums_losses) kept.push_back(std::move(training.tasks[i]));
  }
  training.tasks = std::move(kept);
  link_dependencies(training);
  return training;
}

}  // namespace moesaic
