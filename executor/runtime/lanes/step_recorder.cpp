#include "executor/runtime/lanes/step_recorder.h"

#include <algorithm>

namespace moesaic::executor {

void StepRecorder::start_step() {
  record_ = {};
  record_.times.resize(num_tasks_, {.rank = -1});
  live_bytes_.clear();
}

void StepRecorder::ran(TaskIndex task) {
  time(task).rank = rank_;
  time(task).task = task;
}

void StepRecorder::ran(TaskIndex task, Seconds start, Seconds end) { time(task) = {rank_, task, start, end}; }

StepRecord StepRecorder::finish(Seconds start, Seconds end) {
  for (const auto& [task, bytes] : live_bytes_) record_.memory.push_back({rank_, *end_of(task), bytes});
  std::stable_sort(record_.memory.begin(), record_.memory.end(),
                   [](const MemorySample& a, const MemorySample& b) { return a.time < b.time; });
  for (TaskTime& time : record_.times) time.start -= start, time.end -= start;
  for (MemorySample& sample : record_.memory) sample.time -= start;
  record_.seconds = end - start;
  return std::move(record_);
}

}  // namespace moesaic::executor
