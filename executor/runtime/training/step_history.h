#pragma once
// What a rank remembers of the steps of a run, in memory that does not grow with their number: statistics of all of
// them, and some of them whole. It runs no step and writes nothing.

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "executor/runtime/lanes/step_recorder.h"
#include "executor/runtime/training/duration_statistics.h"

namespace moesaic::executor {

/// A step as one rank saw it.
struct TrainedStep {
  int64_t step = 0;  // from 0, of the whole run
  double loss = 0;   // cross-entropy + auxiliary, before the step's update; NaN: skipped
  double cross_entropy = 0;
  StepRecord record;
  std::optional<double> gradient_norm = std::nullopt;  // before clipping, NaN: skipped; none: the plan does not clip
};

class StepHistory {
 public:
  /// Steps that stay whole; a shorter run keeps all. The first and the last are among them. Of those between stay the
  /// ones whose numbers have the least hashes: a sample that is the same on all ranks, and in step with no period of
  /// the run, as every 64th step would be with checkpoints.
  static constexpr size_t kKept = 512;

  /// `num_tasks`: of each step's record.
  explicit StepHistory(size_t num_tasks) : tasks_(num_tasks) {}

  void add(TrainedStep step);

  int64_t num_steps() const { return steps_.count(); }
  /// By number, ascending. They are gone from here.
  std::vector<TrainedStep> take_kept();
  size_t num_kept() const { return size_t{first_.has_value()} + between_.size() + size_t{last_.has_value()}; }

  const DurationStatistics& steps() const { return steps_; }
  /// [tasks]: of the steps in which the task ran, and whose times are known.
  const OfTasks<DurationStatistics>& tasks() const { return tasks_; }
  /// StepRecord::lost of all steps, as a share of their time. The first one makes kernels, and is left out where there
  /// are more.
  double lost_share() const { return lost_of_ > 0 ? std::min(1.0, lost_ / lost_of_) : 0; }

 private:
  void keep(TrainedStep step);

  std::optional<TrainedStep> first_, last_;  // last_: from the second one on
  std::map<uint64_t, TrainedStep> between_;  // by hash of the number
  DurationStatistics steps_;
  OfTasks<DurationStatistics> tasks_;
  Seconds lost_ = 0, lost_of_ = 0;  // of the steps that lost_share() is about
};

/// Of so many steps a history keeps some only.
inline bool is_long(int64_t steps) { return steps > static_cast<int64_t>(StepHistory::kKept); }

}  // namespace moesaic::executor
