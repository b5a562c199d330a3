#include "core/timeline/breakdown.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "core/timeline/stage_waits.h"

namespace moesaic {
namespace {

enum Class { kCompute, kNetwork, kTransfer, kStageWait, kNumClasses };  // in the order of kPhaseTimeFields

Class class_of(Lane lane) {
  if (lane == Lane::compute) return kCompute;
  return lane == Lane::network ? kNetwork : kTransfer;
}

struct Edge {
  int rank;
  Seconds time;
  bool opens;  // at equal times tasks close before others open
  TaskIndex task;
  Class in;
  bool operator<(const Edge& other) const {
    return std::tie(rank, time, opens, task) < std::tie(other.rank, other.time, other.opens, other.task);
  }
};

/// Sweeps the edges of one rank and adds up.
class Sweep {
 public:
  Sweep(const OfTasks<TaskRow>& rows, std::array<PhaseTime, kNumPhases>& total) : rows_(rows), total_(total) {}

  void cross(const Edge& edge) {
    add(edge.time - now_);
    now_ = edge.time;
    const TaskRow& row = rows_[edge.task];
    std::set<TaskIndex>& open = open_[edge.in];
    if (edge.opens) {
      total_[static_cast<int>(row.phase)].idle += idle_;
      idle_ = 0;
      open.insert(edge.task);
    } else {
      open.erase(edge.task);
    }
  }

  void finish(Seconds span) { total_[static_cast<int>(Phase::update)].idle += idle_ + (span - now_); }

 private:
  void add(Seconds duration) {
    for (int c = 0; c < kNumClasses; ++c) {
      if (open_[c].empty()) continue;
      total_[static_cast<int>(rows_[*open_[c].begin()].phase)].*kPhaseTimeFields[c] += duration;
      return;
    }
    idle_ += duration;
  }

  const OfTasks<TaskRow>& rows_;
  std::array<PhaseTime, kNumPhases>& total_;
  std::array<std::set<TaskIndex>, kNumClasses> open_;
  Seconds now_ = 0;
  Seconds idle_ = 0;  // since the last task closed, not yet given to a phase
};

std::vector<Edge> sorted_edges(const Timeline& timeline) {
  std::vector<Edge> edges;
  edges.reserve(2 * timeline.times.size());
  const auto open = [&](const TaskTime& time, Seconds start, Seconds end, Class in) {
    if (end <= start) return;  // takes no time, so it is never open
    edges.push_back({time.rank, std::max(start, 0.0), true, time.task, in});
    edges.push_back({time.rank, std::max(end, 0.0), false, time.task, in});
  };
  const std::vector<Seconds> waits = ends_of_stage_waits(timeline);
  for (size_t i = 0; i < waits.size(); ++i) {
    const TaskTime& time = timeline.times[i];
    open(time, time.start, waits[i], kStageWait);
    open(time, waits[i], time.end, class_of(timeline.rows[time.task].lane));
  }
  std::sort(edges.begin(), edges.end());
  return edges;
}

}  // namespace

Seconds span_of(const Timeline& timeline) {
  Seconds span = 0;
  for (const TaskTime& time : timeline.times) span = std::max(span, time.end);
  return span;
}

std::array<PhaseTime, kNumPhases> step_breakdown(const Timeline& timeline) {
  std::array<PhaseTime, kNumPhases> total{};
  const std::vector<Edge> edges = sorted_edges(timeline);
  const Seconds span = span_of(timeline);
  size_t at = 0;
  for (int rank = 0; rank < timeline.num_ranks; ++rank) {
    Sweep sweep(timeline.rows, total);
    for (; at < edges.size() && edges[at].rank == rank; ++at) sweep.cross(edges[at]);
    sweep.finish(span);
  }
  for (PhaseTime& phase : total) {
    for (Seconds PhaseTime::*field : kPhaseTimeFields) phase.*field /= timeline.num_ranks;
  }
  return total;
}

}  // namespace moesaic
