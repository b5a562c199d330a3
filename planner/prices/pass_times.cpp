#include "planner/prices/pass_times.h"

#include <algorithm>
#include <array>

namespace moesaic::planner {
namespace {

/// 0 before the layers, 1 + layer, and behind them.
size_t position_of(const SampleTask& task, size_t layers) {
  return task.place == Place::before   ? 0
         : task.place == Place::behind ? layers + 1
                                       : static_cast<size_t>(task.layer) + 1;
}

/// One run of the passes on lanes.
class LaneRun {
 public:
  LaneRun(const StepSample& sample, const std::vector<Seconds>& seconds, const LaneRules& rules)
      : sample_(sample), seconds_(seconds), rules_(rules) {
    restart();
  }

  void restart() {
    for (auto* ends : {&forward, &backward, &network}) ends->assign(sample_.layers().size() + 2, 0);
    lane_free_ = lane_work_ = {};
    network_since_ = 0;
  }

  /// A microbatch more: lanes go on from where they are.
  void run(bool sums_gradients) {
    begin = end();
    for (auto* ends : {&forward, &backward, &network}) std::fill(ends->begin(), ends->end(), begin);
    spans.start.assign(sample_.tasks().size(), 0);
    spans.end.assign(sample_.tasks().size(), 0);
    Seconds last = 0;
    for (size_t i = 0; i < spans.end.size(); ++i) {
      const SampleTask& task = sample_.tasks()[i];
      if (task.part == Part::reduction && !sums_gradients) continue;
      if (task.part == Part::update)
        spans.start[i] = last, spans.end[i] = last += seconds_[i];
      else
        schedule(task, i), raise(last, spans.end[i]);
    }
    settle();
  }

  Seconds begin = 0;
  TaskSpans spans;
  std::vector<Seconds> forward, backward, network;  // [before, layers, behind]: ends of computation; of the network

 private:
  void schedule(const SampleTask& task, size_t i) {
    const size_t lane_number = rules_.one_lane ? 0 : static_cast<size_t>(task.lane);
    Seconds& free = lane_free_[lane_number];
    if (rules_.pieces > 1 && task.goes_in_pieces)
      run_in_pieces(task, i, free, lane_work_[lane_number]);
    else
      run_whole(task, i, free), lane_work_[lane_number] = free;
    const size_t position = position_of(task, sample_.layers().size());
    const bool is_forward = task.part == Part::forward;
    if (task.lane == Lane::compute) raise((is_forward ? forward : backward)[position], free);
    if (task.lane == Lane::network && !is_forward) raise(network[position], free);
  }

  void run_whole(const SampleTask& task, size_t i, Seconds& free) {
    Seconds start = free;
    for (const int before : task.awaited) start = std::max(start, spans.end[static_cast<size_t>(before)]);
    if (task.lane == Lane::network && start > free) network_since_ = start;
    Seconds seconds = seconds_[i];
    if (task.lane == Lane::compute && !rules_.one_lane) seconds += (rules_.slowdown - 1) * overlap(start, seconds);
    spans.start[i] = start;
    spans.end[i] = free = start + seconds;
  }

  /// The first piece follows the first one of whoever makes it, the last one the last; its lane has to do all of it.
  void run_in_pieces(const SampleTask& task, size_t i, Seconds& free, Seconds& work) {
    const double piece = 1.0 / rules_.pieces;
    Seconds start = 0, end = 0;
    for (const int number : task.after) {
      const auto before = static_cast<size_t>(number);
      const bool comes_in_pieces = sample_.tasks()[before].goes_in_pieces;
      start = std::max(start, comes_in_pieces ? spans.start[before] + piece * seconds_[before] : spans.end[before]);
      end = std::max(end, spans.end[before] + piece * seconds_[i]);
    }
    spans.start[i] = start;
    work += seconds_[i];
    spans.end[i] = std::max({work, start + seconds_[i], end});
    raise(free, spans.end[i]);
  }

  Seconds end() const { return std::max(forward.back(), backward.front()); }  // of computation
  static void raise(Seconds& end, Seconds to) { end = std::max(end, to); }

  /// Of a computation with the busy time of the network that is known.
  Seconds overlap(Seconds start, Seconds seconds) const {
    const Seconds end = std::min(lane_free_[static_cast<size_t>(Lane::network)], start + seconds);
    return std::max(0.0, end - std::max(start, network_since_));
  }

  /// Where nothing runs, the end is that of what came before: forward from the first layer on, backward from the last.
  void settle() {
    for (size_t i = 1; i < forward.size(); ++i) raise(forward[i], forward[i - 1]);
    raise(backward.back(), forward.back());
    raise(network.back(), forward.back());
    for (size_t i = forward.size() - 1; i-- > 0;)
      raise(backward[i], backward[i + 1]), raise(network[i], network[i + 1]);
  }

  const StepSample& sample_;
  const std::vector<Seconds>& seconds_;
  const LaneRules rules_;
  std::array<Seconds, kNumLanes> lane_free_{}, lane_work_{};  // pieces of tasks may take turns: their work adds up
  Seconds network_since_ = 0;                                 // the network lane has been busy from here to its end
};

/// Of a pass that goes from the first layer to the last, or `reversed`: end(i) is that of its i-th layer, end(0) that
/// of what comes before. What a layer of each class adds once others of its kind have run and more follow; all that is
/// beside this, from `begin` on, counts as before the layers.
template <typename End>
StepParts steady_parts(const StepSample& sample, const End& end, Seconds begin, bool reversed) {
  const size_t num_layers = sample.layers().size();
  StepParts parts;
  OfLayerClasses seen{};
  constexpr int kSteady = 1;  // the second of a class; behind it are as many as are fetched ahead
  for (size_t i = 0; i < num_layers; ++i) {
    const auto own = static_cast<size_t>(sample.class_of(static_cast<int>(reversed ? num_layers - 1 - i : i)));
    if (seen[own]++ <= kSteady) parts.of_class[own] = end(i + 1) - end(i);
  }
  parts.before = end(num_layers) - begin;
  for (size_t c = 0; c < seen.size(); ++c) parts.before -= seen[c] * parts.of_class[c];
  return parts;
}

StepParts in_forward(const StepSample& sample, const std::vector<Seconds>& ends, Seconds begin) {
  StepParts parts = steady_parts(
      sample, [&](size_t i) { return ends[i]; }, begin, false);
  parts.behind = ends.back() - ends[ends.size() - 2];
  return parts;
}

/// Head and loss come first.
StepParts in_backward(const StepSample& sample, const std::vector<Seconds>& ends, Seconds begin) {
  StepParts parts = steady_parts(
      sample, [&](size_t i) { return ends[ends.size() - 1 - i]; }, ends.back(), true);
  parts.before += ends[0] - ends[1];
  parts.behind = ends.back() - begin;
  return parts;
}

StepParts sum_of_updates(const StepSample& sample, const std::vector<Seconds>& seconds, bool on_network) {
  StepParts parts;
  for (size_t i = 0; i < seconds.size(); ++i) {
    const SampleTask& task = sample.tasks()[i];
    if (task.part == Part::update && (task.lane == Lane::network) == on_network) parts.add(sample, task, seconds[i]);
  }
  return parts;
}

}  // namespace

void StepParts::add(const StepSample& sample, const SampleTask& task, Seconds seconds) {
  if (task.place == Place::before) before += seconds;
  if (task.place == Place::behind) behind += seconds;
  if (task.place != Place::layer) return;
  const int own = sample.class_of(task.layer);
  of_class[static_cast<size_t>(own)] += seconds / sample.layers_of_class(own);
}

Seconds StepParts::over(const LayerClasses& classes, LayerRange layers) const {
  Seconds sum = (layers.first == 0) * before + (layers.last == static_cast<int>(classes.of_layer.size())) * behind;
  for (int c = 0; c < classes.count; ++c) sum += classes.number_in(c, layers) * of_class[static_cast<size_t>(c)];
  return sum;
}

bool shares_one_lane(const Plan& plan) {
  return plan.cluster.device.lanes_share_core && plan.layout.ranks <= plan.cluster.devices_per_node;
}

PassTimes pass_times(const StepSample& sample, const Plan& plan, const std::vector<Seconds>& seconds,
                     const LaneRules& rules) {
  const bool sums_every_microbatch = rules.sums_gradients && plan.layout.zero > 1;
  PassTimes times;
  LaneRun lanes(sample, seconds, rules);
  const bool several = plan.layout.micro_batches > 1;
  if (several) lanes.run(sums_every_microbatch);  // what waits for nothing may begin while the microbatch before ends
  lanes.run(sums_every_microbatch);
  times.forward = in_forward(sample, lanes.forward, lanes.begin);
  times.backward = in_backward(sample, lanes.backward, lanes.forward.back());
  if (!several) lanes.restart();
  lanes.run(rules.sums_gradients);
  times.last_backward = in_backward(sample, lanes.backward, lanes.forward.back());
  times.last_sums = in_backward(sample, lanes.network, lanes.forward.back());
  times.updates = sum_of_updates(sample, seconds, false);
  times.update_gathers = sum_of_updates(sample, seconds, true);
  times.spans = std::move(lanes.spans);
  return times;
}

}  // namespace moesaic::planner
