#include "executor/runtime/training/step_history.h"

#include <iterator>
#include <utility>

#include "core/schema/hash.h"

namespace moesaic::executor {

void StepHistory::add(TrainedStep step) {
  const StepRecord& record = step.record;
  if (steps_.count() == 1) lost_ = lost_of_ = 0;
  lost_ += record.lost;
  lost_of_ += record.seconds;
  steps_.add(record.seconds);
  for (size_t task = 0; task < record.times.size(); ++task)
    if (const TaskTime& time = record.times[TaskIndex(task)]; time.rank >= 0)
      tasks_[TaskIndex(task)].add(time.end - time.start);
  keep(std::move(step));
}

void StepHistory::keep(TrainedStep step) {
  if (!first_) {
    first_ = std::move(step);
    return;
  }
  if (last_) between_.emplace(splitmix64(static_cast<uint64_t>(last_->step)), std::move(*last_));
  if (between_.size() > kKept - 2) between_.erase(std::prev(between_.end()));
  last_ = std::move(step);
}

std::vector<TrainedStep> StepHistory::take_kept() {
  std::vector<TrainedStep> kept;
  if (first_) kept.push_back(std::move(*first_));
  for (auto& [hash, step] : between_) kept.push_back(std::move(step));
  if (last_) kept.push_back(std::move(*last_));
  first_.reset();
  last_.reset();
  between_.clear();
  std::sort(kept.begin(), kept.end(), [](const TrainedStep& a, const TrainedStep& b) { return a.step < b.step; });
  return kept;
}

}  // namespace moesaic::executor
