#include "core/timeline/last_arrivals.h"

#include "core/schema/error.h"

namespace moesaic {
namespace {

constexpr Seconds kSameTime = 1e-9;  // of the unit of clocks; simulated times of symmetric ranks differ by rounding

class Arrivals {
 public:
  Arrivals(const Timeline& timeline, const TaskGraph& graph)
      : times_(timeline.times),
        graph_(graph),
        num_tasks_(graph.tasks.size()),
        entries_(num_tasks_ * static_cast<size_t>(graph.num_ranks), -1),
        last_(num_tasks_) {
    for (size_t i = 0; i < times_.size(); ++i) entry(times_[i].rank, times_[i].task) = static_cast<int32_t>(i);
  }

  int32_t producer_of(const TaskTime& time) {
    const Task& task = graph_.tasks[time.task];
    int32_t last = -1;
    for (const TaskIndex needed : task.dependencies)
      if (const int32_t found = entry(time.rank, needed); found >= 0 && (last < 0 || end(found) > end(last)))
        last = found;
    return last >= 0 && lane(last) != task.lane && end(last) <= time.start ? last : -1;
  }

  int32_t peer_of(const TaskTime& time) {
    const Task& task = graph_.tasks[time.task];
    if (task.communicator < 0) return -1;
    if (is_between_stages(task.leg)) return sender_to(time, task);
    const CommunicatorFamily& family = graph_.communicators[task.communicator];
    std::vector<int32_t>& last = last_[time.task];
    if (last.empty())
      for (const std::vector<int>& group : family.groups) last.push_back(last_of(group, time.task));
    const int32_t of_group = last[static_cast<size_t>(family.group_of_rank[time.rank])];
    return start(of_group) > time.start + kSameTime ? of_group : -1;
  }

 private:
  int32_t& entry(int rank, TaskIndex task) {
    return entries_[static_cast<size_t>(rank) * num_tasks_ + static_cast<size_t>(task)];
  }
  Seconds start(int32_t at) const { return times_[static_cast<size_t>(at)].start; }
  Seconds end(int32_t at) const { return times_[static_cast<size_t>(at)].end; }
  Lane lane(int32_t at) const { return graph_.tasks[times_[static_cast<size_t>(at)].task].lane; }

  int32_t sender_to(const TaskTime& time, const Task& task) {
    if (graph_.stage_of(time.rank) != task.other_stage) return -1;
    for (const int member : graph_.group(task.communicator, time.rank))
      if (graph_.stage_of(member) == task.stage) return entry(member, time.task);
    return -1;
  }

  /// The entry of the member that started last, the first of several; -1: none runs the task.
  int32_t last_of(const std::vector<int>& group, TaskIndex task) {
    int32_t last = -1;
    for (const int member : group)
      if (const int32_t found = entry(member, task); found >= 0 && (last < 0 || start(found) > start(last)))
        last = found;
    return last;
  }

  const std::vector<TaskTime>& times_;
  const TaskGraph& graph_;
  const size_t num_tasks_;
  std::vector<int32_t> entries_;        // [ranks, tasks]; -1: the rank does not run it
  OfTasks<std::vector<int32_t>> last_;  // [tasks, groups of the task's communicator]: last_of(); empty: not asked yet
};

}  // namespace

std::vector<LastArrival> last_arrivals(const Timeline& timeline, const TaskGraph& graph) {
  MOESAIC_CHECK(timeline.rows.size() == graph.tasks.size() && timeline.num_ranks == graph.num_ranks,
                "a timeline of another plan");
  Arrivals arrivals(timeline, graph);
  std::vector<LastArrival> found;
  found.reserve(timeline.times.size());
  for (const TaskTime& time : timeline.times) found.push_back({arrivals.producer_of(time), arrivals.peer_of(time)});
  return found;
}

}  // namespace moesaic
