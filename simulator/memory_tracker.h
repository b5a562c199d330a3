#pragma once
// Live device bytes of every rank while a step runs: tensors appear when their first task starts and go when their last
// one ends. It reports the peak; whether that fits is for others to say.

#include <vector>

#include "core/graph/memory.h"
#include "core/timeline/timeline.h"
#include "simulator/row_table.h"

namespace moesaic::simulator {

struct DevicePeak {
  Bytes bytes = 0;
  int rank = 0;
  Seconds time = 0;
};

class MemoryTracker {
 public:
  MemoryTracker(const TaskGraph& graph, RowTable& rows, bool keep_samples);

  void task_starts(TaskIndex task, int rank, Seconds now);
  void task_ends(TaskIndex task, int rank, Seconds now);

  const DevicePeak& peak() const { return peak_; }
  const std::vector<MemorySample>& samples() const { return samples_; }

  /// The largest tensor that lives on the peak's rank at the peak's time; starts and ends are those of that rank's
  /// tasks: [tasks].
  TensorId largest_at_peak(const std::vector<Seconds>& starts, const std::vector<Seconds>& ends);

 private:
  void change(Bytes delta, int rank, Seconds now);

  const TaskGraph& graph_;
  RowTable& rows_;
  const Liveness& liveness(int rank) const { return liveness_[static_cast<size_t>(graph_.stage_of(rank))]; }
  std::vector<Liveness> liveness_;  // [pipeline stages]
  std::vector<Bytes> live_;         // [ranks]
  DevicePeak peak_;
  bool keep_samples_;
  std::vector<MemorySample> samples_;
};

}  // namespace moesaic::simulator
