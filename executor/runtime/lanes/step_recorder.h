#pragma once
// What one rank measures of a step: when each task ran, and how much memory tensors had meanwhile. It reads no clock.

#include <utility>
#include <vector>

#include "core/timeline/timeline.h"
#include "executor/runtime/lanes/route_recorder.h"

namespace moesaic::executor {

struct StepRecord {
  Seconds seconds = 0;  // of this rank
  Seconds lost = 0;     // of them: there was work, and the core did other work; 0 where not measures_lost()
  OfTasks<TaskTime> times;
  std::vector<MemorySample> memory;
  bool captured = false;  // the tasks before the gate ran as a graph: no times, no samples of memory and no expert rows
  std::vector<int64_t>
      expert_rows;  // [micro_batches, num_moe_layers, num_experts]: rows that this rank's tokens sent, after dropping
  StepChoices choices;  // what they chose; nothing unless recorded
};

class StepRecorder {
 public:
  StepRecorder(size_t num_tasks, int rank) : num_tasks_(num_tasks), rank_(rank) {}

  void start_step();
  /// Where the times of a task go, for as long as the step lasts.
  Seconds* start_of(TaskIndex task) { return &time(task).start; }
  Seconds* end_of(TaskIndex task) { return &time(task).end; }
  /// The task ran here, at the times that stand there by the end of the step; without this it shows in no timeline.
  void ran(TaskIndex task);
  void ran(TaskIndex task, Seconds start, Seconds end);
  /// A task has been appended or has ended, and tensors have so much memory.
  void left(TaskIndex task, Bytes live) { live_bytes_.emplace_back(task, live); }
  /// Times and samples of a step between these two times, counted from its start; samples in the order of time.
  StepRecord finish(Seconds start, Seconds end);

 private:
  TaskTime& time(TaskIndex task) { return record_.times[task]; }

  const size_t num_tasks_;
  const int rank_;
  StepRecord record_;
  std::vector<std::pair<TaskIndex, Bytes>> live_bytes_;  // as each task left, in that order
};

}  // namespace moesaic::executor
