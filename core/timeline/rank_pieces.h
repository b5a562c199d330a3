#pragma once
// What every instant of a rank goes to: the step of one rank cut into pieces, from its start to the end of the
// timeline. It adds nothing up.

#include <vector>

#include "core/timeline/stage_waits.h"
#include "core/timeline/timeline.h"

namespace moesaic {

enum class Use : uint8_t {
  compute,     // a task of the compute lane runs
  network,     // else a task of the network lane is open that waits for no other stage
  transfer,    // else a copy or storage task is open
  stage_wait,  // else a task of the network lane waits for another pipeline stage
  idle,        // else
};
inline constexpr int kNumUses = 5;

/// `task` is the first open one of the use in program order; of idle time the one that ends it, -1 after the last.
struct TimePiece {
  Use use = Use::idle;
  TaskIndex task = -1;
  Seconds start = 0, end = 0;
  bool operator==(const TimePiece&) const = default;
};

class RankPieces {
 public:
  /// The timeline must outlive it.
  explicit RankPieces(const Timeline& timeline);

  /// In order, without gaps; each begins or ends where a task does. Ranks with the same times have the same pieces.
  std::vector<TimePiece> of(int rank) const;
  /// The entry of a task in the timeline; null where the rank does not run it.
  const TaskTime* time_of(int rank, TaskIndex task) const;
  /// When the last task of any rank ends.
  Seconds span() const { return span_; }

 private:
  size_t index(size_t at) const { return order_.empty() ? at : order_[at]; }

  const Timeline& timeline_;
  StageWaits waits_;
  OfTasks<Lane> lanes_;
  std::vector<size_t> order_;  // [times]: by rank, then task; empty: they stand so
  std::vector<size_t> first_;  // [ranks + 1]: in order_
  Seconds span_ = 0;
};

}  // namespace moesaic
