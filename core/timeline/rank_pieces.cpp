#include "core/timeline/rank_pieces.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <set>
#include <tuple>

#include "core/timeline/breakdown.h"
#include "core/timeline/stage_waits.h"

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

void add_edges(std::vector<Edge>& edges, TaskIndex task, Use use, Seconds start, Seconds end) {
  if (end <= start) return;  // takes no time, so it is never open
  edges.push_back({std::max(start, 0.0), true, task, use});
  edges.push_back({std::max(end, 0.0), false, task, use});
}

/// The pieces between the edges of one rank, which are sorted.
std::vector<TimePiece> pieces_between(const std::vector<Edge>& edges, Seconds span) {
  std::vector<TimePiece> pieces;
  std::array<std::set<TaskIndex>, kNumUses> open;
  Seconds now = 0;
  const auto until = [&](Seconds time, TaskIndex next) {
    TimePiece piece{Use::idle, next, now, time};
    for (int use = 0; use < static_cast<int>(Use::idle) && piece.use == Use::idle; ++use)
      if (!open[use].empty()) piece.use = static_cast<Use>(use), piece.task = *open[use].begin();
    if (time > now) pieces.push_back(piece);
    now = time;
  };
  for (const Edge& edge : edges) {
    until(edge.time, edge.task);
    std::set<TaskIndex>& tasks = open[static_cast<size_t>(edge.use)];
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
    : timeline_(timeline),
      waits_(ends_of_stage_waits(timeline)),
      order_(timeline.times.size()),
      first_(static_cast<size_t>(timeline.num_ranks) + 1, 0),
      span_(span_of(timeline)) {
  std::iota(order_.begin(), order_.end(), size_t{0});
  const auto place = [&](size_t i) { return std::make_pair(timeline.times[i].rank, timeline.times[i].task); };
  const auto before = [&](size_t a, size_t b) { return place(a) < place(b); };
  if (!std::is_sorted(order_.begin(), order_.end(), before)) std::sort(order_.begin(), order_.end(), before);
  for (const TaskTime& time : timeline.times) ++first_[static_cast<size_t>(time.rank) + 1];
  std::partial_sum(first_.begin(), first_.end(), first_.begin());
}

std::vector<TimePiece> RankPieces::of(int rank) const {
  std::vector<Edge> edges;
  for (size_t at = first_[static_cast<size_t>(rank)]; at < first_[static_cast<size_t>(rank) + 1]; ++at) {
    const size_t i = order_[at];
    const TaskTime& time = timeline_.times[i];
    add_edges(edges, time.task, Use::stage_wait, time.start, waits_[i]);
    add_edges(edges, time.task, use_of(timeline_.rows[time.task].lane), waits_[i], time.end);
  }
  std::sort(edges.begin(), edges.end());
  return pieces_between(edges, span_);
}

const TaskTime* RankPieces::time_of(int rank, TaskIndex task) const {
  const auto begin = order_.begin() + static_cast<ptrdiff_t>(first_[static_cast<size_t>(rank)]),
             end = order_.begin() + static_cast<ptrdiff_t>(first_[static_cast<size_t>(rank) + 1]);
  const auto found =
      std::lower_bound(begin, end, task, [&](size_t i, TaskIndex t) { return timeline_.times[i].task < t; });
  return found == end || timeline_.times[*found].task != task ? nullptr : &timeline_.times[*found];
}

}  // namespace moesaic
