#include "core/timeline/stage_waits.h"

#include <algorithm>
#include <limits>
#include <string>
#include <unordered_map>
#include <utility>

namespace moesaic {
namespace {

struct Arrival {
  int stage = -1;
  Seconds start = std::numeric_limits<Seconds>::lowest();  // of the stage's last rank
};

/// The two stages whose last ranks come latest: enough to know for every stage how late the others are.
class Arrivals {
 public:
  void add(int stage, Seconds start) {
    if (stage == last_.stage)
      last_.start = std::max(last_.start, start);
    else if (start > last_.start)
      second_ = std::exchange(last_, {stage, start});
    else if (start > second_.start)
      second_ = {stage, start};
  }
  const Arrival& last_but(int stage) const { return stage == last_.stage ? second_ : last_; }

 private:
  Arrival last_, second_;
};

class Meetings {
 public:
  explicit Meetings(const Timeline& timeline)
      : timeline_(timeline), stage_ranks_(timeline.num_ranks / timeline.num_stages) {
    for (const TaskTime& time : timeline.times)
      if (meeting(time) != StageMeeting::none) arrivals_[group_of(time)].add(stage_of(time), time.start);
  }

  Seconds end_of_wait(const TaskTime& time) const {
    if (meeting(time) == StageMeeting::none) return time.start;
    const Arrival& other = arrivals_.at(group_of(time)).last_but(stage_of(time));
    const bool sends = (meeting(time) == StageMeeting::next && other.stage > stage_of(time)) ||
                       (meeting(time) == StageMeeting::previous && other.stage < stage_of(time));
    if (sends && other.start >= time.end) return time.start;
    return std::clamp(other.start, time.start, time.end);
  }

 private:
  StageMeeting meeting(const TaskTime& time) const { return timeline_.rows[time.task].stage_meeting; }
  int stage_of(const TaskTime& time) const { return time.rank / stage_ranks_; }
  int64_t group_of(const TaskTime& time) const {
    const int position = meeting(time) == StageMeeting::all ? 0 : time.rank % stage_ranks_;
    return int64_t{time.task.value()} * stage_ranks_ + position;
  }

  const Timeline& timeline_;
  int stage_ranks_;
  std::unordered_map<int64_t, Arrivals> arrivals_;
};

}  // namespace

StageMeeting stage_meeting_of(const TaskGraph& graph, const Task& task) {
  if (task.communicator < 0 || graph.num_stages == 1) return StageMeeting::none;
  if (task.leg == Leg::next_stage) return StageMeeting::next;
  if (task.leg == Leg::previous_stage) return StageMeeting::previous;
  for (const std::vector<int>& group : graph.communicators[task.communicator].groups)
    if (graph.stage_of(group.front()) != graph.stage_of(group.back())) return StageMeeting::all;
  return StageMeeting::none;
}

std::vector<Seconds> ends_of_stage_waits(const Timeline& timeline) {
  std::vector<Seconds> ends;
  ends.reserve(timeline.times.size());
  const Meetings meetings(timeline);
  for (const TaskTime& time : timeline.times) ends.push_back(meetings.end_of_wait(time));
  return ends;
}

void take_stage_meetings(const Timeline& from, Timeline& to) {
  if (to.num_stages > 1 || to.plan_hash != from.plan_hash || to.num_ranks != from.num_ranks) return;
  to.num_stages = from.num_stages;
  std::unordered_map<std::string, StageMeeting> meetings;
  for (const TaskRow& row : from.rows) meetings[row.label] = row.stage_meeting;
  for (TaskRow& row : to.rows)
    if (const auto known = meetings.find(row.label); known != meetings.end()) row.stage_meeting = known->second;
}

}  // namespace moesaic
