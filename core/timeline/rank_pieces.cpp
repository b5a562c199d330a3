#include "core/timeline/rank_pieces.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>
#include <utility>

namespace moesaic {
namespace {

Use use_of(Lane lane) {
  if (lane == Lane::compute) return Use::compute;
  return lane == Lane::network ? Use::network : Use::transfer;
}

struct Edge {
  Seconds time;
  bool opens;  // at equal times tasks close before others open
  TaskIndex task;
  Use use;
  bool operator<(const Edge& other) const {
    return std::tie(time, opens, task) < std::tie(other.time, other.opens, other.task);
  }
};

/// A measured rank may begin before the step of all does: what it does until then is in no piece.
void add_edges(std::vector<Edge>& edges, TaskIndex task, Use use, Seconds start, Seconds end) {
  start = std::max(start, 0.0), end = std::max(end, 0.0);
  if (end <= start) return;  // takes no time, so it is never open
  edges.push_back({start, true, task, use});
  edges.push_back({end, false, task, use});
}

/// One list in order, of one per lane: a simulated lane's tasks come one after the other, so its edges are in order.
std::vector<Edge> merged(std::array<std::vector<Edge>, kNumLanes>& lanes) {
  std::vector<Edge> all, longer;
  for (std::vector<Edge>& lane : lanes) {
    if (!std::is_sorted(lane.begin(), lane.end())) std::sort(lane.begin(), lane.end());
    longer.resize(all.size() + lane.size());
    std::merge(all.begin(), all.end(), lane.begin(), lane.end(), longer.begin());
    std::swap(all, longer);
  }
  return all;
}

/// Tasks in order; few at a time.
class OpenTasks {
 public:
  bool empty() const { return tasks_.empty(); }
  TaskIndex first() const { return tasks_.front(); }
  void insert(TaskIndex task) { tasks_.insert(std::lower_bound(tasks_.begin(), tasks_.end(), task), task); }
  void erase(TaskIndex task) { tasks_.erase(std::lower_bound(tasks_.begin(), tasks_.end(), task)); }

 private:
  std::vector<TaskIndex> tasks_;
};

/// The pieces between the edges of one rank, which are sorted.
std::vector<TimePiece> pieces_between(const std::vector<Edge>& edges, Seconds span) {
  std::vector<TimePiece> pieces;
  pieces.reserve(edges.size() + 1);
  std::array<OpenTasks, kNumUses> open;
  Seconds now = 0;
  const auto until = [&](Seconds time, TaskIndex next) {
    TimePiece piece{Use::idle, next, now, time};
    for (int use = 0; use < static_cast<int>(Use::idle) && piece.use == Use::idle; ++use)
      if (!open[use].empty()) piece.use = static_cast<Use>(use), piece.task = open[use].first();
    if (time > now) pieces.push_back(piece);
    now = time;
  };
  for (const Edge& edge : edges) {
    until(edge.time, edge.task);
    OpenTasks& tasks = open[static_cast<size_t>(edge.use)];
    if (edge.opens)
      tasks.insert(edge.task);
    else
      tasks.erase(edge.task);
  }
  until(span, -1);
  return pieces;
}

}  // namespace

RankPieces::RankPieces(const Timeline& timeline)
    : timeline_(timeline), waits_(timeline), first_(static_cast<size_t>(timeline.num_ranks) + 1, 0) {
  for (const TaskRow& row : timeline.rows) lanes_.push_back(row.lane);
  const auto place = [](const TaskTime& time) { return std::make_pair(time.rank, time.task); };
  bool in_order = true;
  for (size_t i = 0; i < timeline.times.size(); ++i) {
    const TaskTime& time = timeline.times[i];
    in_order = in_order && (i == 0 || place(timeline.times[i - 1]) <= place(time));
    ++first_[static_cast<size_t>(time.rank) + 1];
    span_ = std::max(span_, time.end);
  }
  std::partial_sum(first_.begin(), first_.end(), first_.begin());
  if (in_order) return;
  order_.resize(timeline.times.size());
  std::iota(order_.begin(), order_.end(), size_t{0});
  std::sort(order_.begin(), order_.end(),
            [&](size_t a, size_t b) { return place(timeline.times[a]) < place(timeline.times[b]); });
}

std::vector<TimePiece> RankPieces::of(int rank) const {
  const auto own = static_cast<size_t>(timeline_.same_times_as(rank));
  std::array<std::vector<Edge>, kNumLanes> lanes;
  for (size_t at = first_[own]; at < first_[own + 1]; ++at) {
    const TaskTime& time = timeline_.times[index(at)];
    const Lane lane = lanes_[time.task];
    const Seconds waits_until = waits_.end(time);
    std::vector<Edge>& edges = lanes[static_cast<size_t>(lane)];
    add_edges(edges, time.task, Use::stage_wait, time.start, waits_until);
    add_edges(edges, time.task, use_of(lane), waits_until, time.end);
  }
  return pieces_between(merged(lanes), span_);
}

const TaskTime* RankPieces::time_of(int rank, TaskIndex task) const {
  const auto own = static_cast<size_t>(timeline_.same_times_as(rank));
  size_t low = first_[own], behind = first_[own + 1];
  while (low < behind) {  // the first whose task is not before
    const size_t middle = low + (behind - low) / 2;
    if (timeline_.times[index(middle)].task < task)
      low = middle + 1;
    else
      behind = middle;
  }
  const bool found = low < first_[own + 1] && timeline_.times[index(low)].task == task;
  return found ? &timeline_.times[index(low)] : nullptr;
}

}  // namespace moesaic
