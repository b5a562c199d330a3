#include "experiments/semoe_training_table/task_classes.h"

#include <algorithm>
#include <nlohmann/json.hpp>
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

}  // namespace

const char* name_of(TaskClass task_class) { return kNames[static_cast<size_t>(task_class)]; }

TaskClass class_of(const TaskRow& row) {
  switch (row.op) {
    case Op::experts:
    case Op::experts_dgrad:
    case Op::experts_wgrad:
      return TaskClass::experts;
    case Op::router:
    case Op::router_backward:
    case Op::permute:
    case Op::permute_backward:
    case Op::unpermute:
    case Op::unpermute_backward:
    case Op::regroup:
      return TaskClass::routing;
    case Op::adamw:
      return TaskClass::optimizer;
    case Op::all_to_all:
      return TaskClass::all_to_all;
    case Op::all_reduce:
    case Op::reduce_scatter:
      return TaskClass::gradient_reduction;
    case Op::all_gather:  // counts of the router, or weights
      return row.label.ends_with(" counts") ? TaskClass::all_to_all : TaskClass::weight_gather;
    case Op::embed:
    case Op::embed_backward:
    case Op::cross_entropy:
      return TaskClass::head;
    case Op::linear:
    case Op::linear_dgrad:
    case Op::linear_wgrad:
    case Op::norm:
    case Op::norm_backward:
    case Op::attention:
    case Op::attention_backward:
      return row.layer < 0 ? TaskClass::head : TaskClass::attention;
    case Op::add:  // of the residual, or of a microbatch's gradients
      return row.layer < 0 ? TaskClass::other : TaskClass::attention;
    default:
      return TaskClass::other;
  }
}

std::array<Seconds, kNumTaskClasses> class_seconds(const Timeline& timeline) {
  std::array<Seconds, kNumTaskClasses> total{};
  const Seconds span = span_of(timeline);
  std::set<TaskIndex> computing, open;  // of the current rank; open: on the other lanes
  int rank = 0;
  Seconds now = 0;
  const auto pass = [&](Seconds until) {
    const std::set<TaskIndex>& first = computing.empty() ? open : computing;
    const TaskClass task_class =
        first.empty() ? TaskClass::idle : class_of(timeline.rows[static_cast<size_t>(*first.begin())]);
    total[static_cast<size_t>(task_class)] += until - now;
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
  for (Seconds& seconds : total) seconds /= timeline.num_ranks;
  return total;
}

Json class_document(const std::array<Seconds, kNumTaskClasses>& classes) {
  Json json = Json::object();
  for (size_t i = 0; i < classes.size(); ++i) json[name_of(static_cast<TaskClass>(i))] = classes[i];
  return json;
}

}  // namespace moesaic::experiments
