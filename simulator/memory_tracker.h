#pragma once
// Live device bytes of every rank while a step runs: tensors appear when their first task starts and go when their last
// one ends. It reports the peak; whether that fits is for others to say.

#include <map>
#include <utility>
#include <vector>

#include "core/graph/memory.h"
#include "core/timeline/timeline.h"
#include "simulator/rank_classes.h"
#include "simulator/row_table.h"
#include "simulator/step_program.h"

namespace moesaic::simulator {

/// Of several equal ones the first in time, then that of the lowest rank.
struct DevicePeak {
  Bytes bytes = 0;
  int rank = 0;
  Seconds time = 0;
};

class MemoryTracker {
 public:
  /// All but the last must outlive the tracker. programs: [pipeline stages].
  MemoryTracker(const TaskGraph& graph, RowTable& rows, const std::vector<StepProgram>& programs,
                const RankClasses& classes, bool keep_samples);

  /// Of one class the times never go back.
  void task_starts(int of_class, StepProgram::Local task, Seconds now) {
    OfClass& own = classes_[static_cast<size_t>(of_class)];
    change(own, own.bytes[static_cast<size_t>(own.stage->created[static_cast<size_t>(task)])], now);
  }
  void task_ends(int of_class, StepProgram::Local task, Seconds now) {
    OfClass& own = classes_[static_cast<size_t>(of_class)];
    change(own, -own.bytes[static_cast<size_t>(own.stage->released[static_cast<size_t>(task)])], now);
  }

  const DevicePeak& peak() const { return peak_; }
  const std::vector<MemorySample>& samples() const { return samples_; }  // of the classes' representatives

  /// The largest tensor that lives on the peak's rank at the peak's time; `times` are those of that rank's tasks:
  /// [tasks of its stage].
  TensorId largest_at_peak(std::span<const TaskTime> times);

 private:
  /// Of a stage: what each task creates and releases, as numbers of lists of tensors that are as large together.
  struct StageLists {
    std::vector<int32_t> created, released;  // [tasks of the stage]
    struct List {
      Bytes fixed = 0;
      std::vector<TensorId> bound;  // whose rows routing decides; of several alike lists those of the first
    };
    std::vector<List> lists;  // the first is empty
  };
  struct OfClass {
    const StageLists* stage = nullptr;
    std::vector<Bytes> bytes;  // [lists]
    Bytes live = 0;
    int rank = 0;  // the representative
  };
  StageLists lists_of(int stage) const;
  Bytes bytes_of_list(const StageLists::List& list, int rank);
  void change(OfClass& own, Bytes delta, Seconds now) {
    if (delta == 0) return;
    own.live += delta;
    if (own.live >= peak_.bytes) rise(own, now);
    if (keep_samples_) samples_.push_back({own.rank, now, own.live});
  }
  void rise(const OfClass& own, Seconds now);

  const TaskGraph& graph_;
  RowTable& rows_;
  const std::vector<StepProgram>& programs_;
  std::vector<StageLists> stages_;
  std::vector<OfClass> classes_;
  DevicePeak peak_;
  bool keep_samples_;
  std::vector<MemorySample> samples_;
};

}  // namespace moesaic::simulator
