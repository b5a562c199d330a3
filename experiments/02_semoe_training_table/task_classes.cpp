#include "experiments/02_semoe_training_table/task_classes.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "core/timeline/breakdown.h"
#include "core/timeline/stage_waits.h"

namespace moesaic::experiments {
namespace {

constexpr std::array<const char*, kNumTaskClasses> kNames = {"attention",
                                                             "experts",
                                                             "routing",
                                                             "head",
                                                             "optimizer",
                                                             "exposed all-to-all",
                                                             "exposed gradient reduction",
                                                             "exposed weight gather",
                                                             "other",
                                                             "idle"};

struct Edge {
  int rank;
  Seconds time;
  bool opens;  // at equal times tasks close before others open
  TaskIndex task;
  bool operator<(const Edge& other) const {
    return std::tie(rank, time, opens, task) < std::tie(other.rank, other.time, other.opens, other.task);
  }
};

std::vector<Edge> edges_of(const Timeline& timeline) {
  std::vector<Edge> edges;
  edges.reserve(2 * timeline.times.size());
  const std::vector<Seconds> waits = ends_of_stage_waits(timeline);  // idle, like the pipeline's bubble
  for (size_t i = 0; i < waits.size(); ++i) {
    const TaskTime& time = timeline.times[i];
    if (time.end <= waits[i]) continue;
    edges.push_back({time.rank, waits[i], true, time.task});
    edges.push_back({time.rank, time.end, false, time.task});
  }
  std::sort(edges.begin(), edges.end());
  return edges;
}

TaskClass class_of_collective(const TaskRow& row) {
  if (row.op == Op::all_to_all) return TaskClass::all_to_all;
  if (row.op != Op::all_gather) return TaskClass::gradient_reduction;
  return row.label.ends_with(" counts") ? TaskClass::all_to_all : TaskClass::weight_gather;
}

}  // namespace

const char* name_of(TaskClass task_class) { return kNames[static_cast<size_t>(task_class)]; }

TaskClass class_of(const TaskRow& row) {
  switch (family_of(row.op)) {
    case Family::experts:
      return TaskClass::experts;
    case Family::router:
    case Family::row_movers:
    case Family::einsum_rows:
      return TaskClass::routing;
    case Family::embedding:
    case Family::loss:
      return TaskClass::head;
    case Family::products:
    case Family::norms:
    case Family::attention:
    case Family::latent_attention:
      return row.layer < 0 ? TaskClass::head : TaskClass::attention;
    case Family::activations:  // sums in a layer are residuals, others are of a microbatch's gradients
      return row.op == Op::add && row.layer >= 0 ? TaskClass::attention : TaskClass::other;
    case Family::optimizer:
      return row.op == Op::adamw || row.op == Op::flatten_gradients || checks_gradients(row.op) ? TaskClass::optimizer
                                                                                                : TaskClass::other;
    case Family::collectives:
      return class_of_collective(row);
    case Family::transfers:
      break;
  }
  return TaskClass::other;
}

ClassSeconds class_seconds(const Timeline& timeline) {
  ClassSeconds total;
  const Seconds span = span_of(timeline);
  std::set<TaskIndex> computing, open;  // of the current rank; open: on the other lanes
  int rank = 0;
  Seconds now = 0;
  const auto pass = [&](Seconds until) {
    const std::set<TaskIndex>& first = computing.empty() ? open : computing;
    const TaskClass task_class =
        first.empty() ? TaskClass::idle : class_of(timeline.rows[static_cast<size_t>(*first.begin())]);
    total.of[static_cast<size_t>(task_class)] += until - now;
    now = until;
  };
  for (const Edge& edge : edges_of(timeline)) {
    for (; rank < edge.rank; ++rank, now = 0) pass(span);
    pass(edge.time);
    std::set<TaskIndex>& lane = timeline.rows[static_cast<size_t>(edge.task)].lane == Lane::compute ? computing : open;
    if (edge.opens)
      lane.insert(edge.task);
    else
      lane.erase(edge.task);
  }
  for (; rank < timeline.num_ranks; ++rank, now = 0) pass(span);
  for (Seconds& seconds : total.of) seconds /= timeline.num_ranks;
  return total;
}

}  // namespace moesaic::experiments
