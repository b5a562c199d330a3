#pragma once
// Until when the ranks of one pipeline stage wait for another stage: the pipeline's bubble, as a timeline shows it. It
// adds nothing up and does not say why the other stage is late.

#include <cstdint>
#include <limits>
#include <unordered_map>
#include <vector>

#include "core/timeline/timeline.h"

namespace moesaic {

/// Where ranks of several pipeline stages meet in a task of the graph.
StageMeeting stage_meeting_of(const TaskGraph& graph, const Task& task);

/// Until when an entry of `timeline.times` waits for other stages: the latest start of the members of its group that
/// other stages hold, between its own start and end. Its own start where no other stage takes part, and of a sender
/// that ended before its receiver came: that message was buffered. A late rank of the same stage is not waited for
/// here: imbalance inside a stage counts as communication, with a pipeline as without one.
class StageWaits {
 public:
  /// The timeline must outlive them.
  explicit StageWaits(const Timeline& timeline);

  Seconds end(const TaskTime& time) const;

 private:
  struct Arrival {
    int stage = -1;
    Seconds start = std::numeric_limits<Seconds>::lowest();  // of the stage's last rank
  };
  /// The two stages whose last ranks come latest: enough to know for every stage how late the others are.
  struct Arrivals {
    Arrival last, second;
    void add(int stage, Seconds start);
  };
  StageMeeting meeting(const TaskTime& time) const { return meetings_[time.task]; }
  int stage_of(const TaskTime& time) const { return time.rank / stage_ranks_; }
  int64_t group_of(const TaskTime& time) const;

  int stage_ranks_;
  OfTasks<StageMeeting> meetings_;
  std::unordered_map<int64_t, Arrivals> arrivals_;
};

/// [times]
std::vector<Seconds> ends_of_stage_waits(const Timeline& timeline);

/// A timeline that was written before timelines said where stages meet learns it from another one of the same plan;
/// any other `to` stays as it is.
void take_stage_meetings(const Timeline& from, Timeline& to);

}  // namespace moesaic
