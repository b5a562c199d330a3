#include "core/timeline/stage_waits.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

namespace moesaic {
void StageWaits::Arrivals::add(int stage, Seconds start) {
  if (stage == last.stage)
    last.start = std::max(last.start, start);
  else if (start > last.start)
    second = std::exchange(last, {stage, start});
  else if (start > second.start)
    second = {stage, start};
}

StageWaits::StageWaits(const Timeline& timeline) : stage_ranks_(timeline.num_ranks / timeline.num_stages) {
  bool any = false;
  for (const TaskRow& row : timeline.rows) {
    meetings_.push_back(row.stage_meeting);
    any = any || row.stage_meeting != StageMeeting::none;
  }
  if (!any) return;
  for (const TaskTime& time : timeline.times)
    if (meeting(time) != StageMeeting::none) arrivals_[group_of(time)].add(stage_of(time), time.start);
}

int64_t StageWaits::group_of(const TaskTime& time) const {
  const int position = meeting(time) == StageMeeting::all ? 0 : time.rank % stage_ranks_;
  return int64_t{time.task.value()} * stage_ranks_ + position;
}

Seconds StageWaits::end(const TaskTime& time) const {
  if (meeting(time) == StageMeeting::none) return time.start;
  const Arrivals& arrivals = arrivals_.at(group_of(time));
  const Arrival& other = stage_of(time) == arrivals.last.stage ? arrivals.second : arrivals.last;
  const bool sends = (meeting(time) == StageMeeting::next && other.stage > stage_of(time)) ||
                     (meeting(time) == StageMeeting::previous && other.stage < stage_of(time));
  if (sends && other.start >= time.end) return time.start;
  return std::clamp(other.start, time.start, time.end);
}

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
  const StageWaits waits(timeline);
  for (const TaskTime& time : timeline.times) ends.push_back(waits.end(time));
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
