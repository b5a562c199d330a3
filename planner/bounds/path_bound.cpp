#include "planner/bounds/path_bound.h"

#include <algorithm>

#include "core/cost/gpu_overheads.h"
#include "planner/prices/pipelined_step.h"

namespace moesaic::planner {
namespace {

/// Of one layer, prices of the tasks whose rows routing decides.
class LayerTimes {
 public:
  LayerTimes(const Plan& plan, int chunks, int slots, const LeastRows& rows, BestPrices& best)
      : plan_(plan), chunks_(chunks), slots_(slots), rows_(rows), best_(best) {}

  Seconds of(const Task& task) {
    if (is_experts(task.op)) return experts(task);
    if (task.op == Op::all_to_all) return all_to_all(task);
    return best_.cut(task, rows(task), rows_.total / chunks_ + 1);
  }

 private:
  /// Between two all-to-alls all ranks of the group wait for the busiest one. Elsewhere one rank may do its part of a
  /// layer while another one does more than its part of the next: there the mean counts.
  double received(const Task& task) const {
    const bool between = task.phase == Phase::forward || task.op == Op::experts_dgrad ||
                         (task.op == Op::experts && plan_.layout.recompute == Recompute::full);
    return between ? rows_.received : rows_.mean_received;
  }
  double rows(const Task& task) const {
    switch (task.rows) {
      case Rows::received:
        return received(task);
      case Rows::once_sent:
      case Rows::once_received:
        return std::min(rows_.sent, static_cast<double>(sizes_of(plan_).tokens));
      case Rows::sent:
      case Rows::relayed:
      case Rows::fanned:
        return rows_.sent;
      default:
        return 0;
    }
  }

  /// A piece has its share of each source's rows for each slot, a row more or less.
  Seconds experts(const Task& task) {
    const int chunks = task.op == Op::experts_wgrad ? 1 : chunks_;
    const auto share = [&](double rows) { return static_cast<int64_t>(rows / chunks); };
    const int64_t odd = chunks == 1 ? 0 : rows_.sources;
    const int64_t least = std::max<int64_t>(1, share(received(task)) - odd * slots_);
    const int64_t most = share(static_cast<double>(rows_.total)) + odd * slots_;
    const int64_t most_in_slot = share(static_cast<double>(rows_.most_in_slot)) + odd;
    const Seconds piece = best_.cost().least_of_experts(task, least, std::max(least, most), most_in_slot, slots_);
    return piece > 0 ? chunks * piece : best_.cut(task, received(task), most_in_slot);
  }

  /// Rows for other nodes pass a card; those for other ranks a card or the device's own port.
  Seconds all_to_all(const Task& task) const {
    const int ep = plan_.layout.ep, per_node = std::min(plan_.cluster.devices_per_node, ep);
    const bool crosses = ep > per_node;
    switch (task.leg) {
      case Leg::dispatch:
      case Leg::combine:
        return moved(task, ep, crosses, rows_.leave_rank, crosses ? rows_.leave_node : 0);
      case Leg::inter_out:
      case Leg::inter_back:
        return moved(task, ep / per_node, true, rows_.leave_node, rows_.leave_node);
      default:
        return 0;  // a placement may leave nothing for it
    }
  }
  /// Rows that leave a rank of a group, and those of them that leave its node.
  Seconds moved(const Task& task, int ranks, bool crosses, double leaving, double crossing) const {
    const Cluster& cluster = plan_.cluster;
    const double bytes = static_cast<double>(task.bytes_per_row) * leaving;
    if (best_.cost().collective_curve(task.op, ranks, crosses) != nullptr)
      return best_.on_curve(task.op, ranks, crosses, bytes, bytes / chunks_);
    const double cards = static_cast<double>(cluster.nics_per_node) / cluster.devices_per_node;
    const bool whole_nodes = plan_.layout.ep % cluster.devices_per_node == 0;
    const double port = cluster.intra_node.reached_bytes_per_s();
    const double card = crosses ? cluster.nic.reached_bytes_per_s() * (whole_nodes ? cards : std::max(1.0, cards)) : 0;
    const auto over = [&](double rate, double rows) {
      return rate > 0 ? static_cast<double>(task.bytes_per_row) * rows / rate : 0;
    };
    return std::max(over(card, crossing), over(card + port, leaving));
  }

  const Plan& plan_;
  const int chunks_, slots_;
  const LeastRows& rows_;
  BestPrices& best_;
};

/// Elements that one update can be of, where buckets fuse those of all layers.
int64_t most_updated(const StepSample& sample, const Plan& plan) {
  double elements = 1;
  for (const SampleTask& task : sample.tasks())
    if (task.part == Part::update && !is_collective(sample.graph().tasks[task.index].op))
      elements += task.number.at(sizes_of(plan)) * static_cast<double>(plan.model.num_layers);
  return static_cast<int64_t>(elements);
}

/// What a placement and its pieces leave of each MoE layer and microbatch that count: all of a recording; of a
/// generator, which draws layers and, where it does not vary, microbatches alike, those that stand for others.
std::vector<LeastRows> least_rows_of(const Plan& plan, const LayoutRouting& routing, int slots) {
  const bool recorded = plan.routing.recorded();
  const int layers = static_cast<int>(recorded ? plan.model.num_moe_layers() : std::ssize(routing.layers));
  const int microbatches = recorded || plan.routing.generator.varies() ? plan.layout.micro_batches : 1;
  const int per_node = std::min(plan.cluster.devices_per_node, plan.layout.ep);
  std::vector<LeastRows> rows;
  for (int layer = 0; layer < layers; ++layer)
    for (int microbatch = 0; microbatch < microbatches; ++microbatch)
      rows.push_back(least_rows(
          routing.binding.counts(microbatch, recorded ? layer : routing.layers[static_cast<size_t>(layer)], 0, 0, 1),
          slots, per_node));
  return rows;
}

/// All that the network lane of one stage's rank has to do, its sums of gradients included.
Seconds busiest_network(const StepSample& sample, const Plan& plan, const std::vector<Seconds>& seconds) {
  StepParts network;
  for (size_t i = 0; i < seconds.size(); ++i) {
    const SampleTask& task = sample.tasks()[i];
    if (task.lane != Lane::network) continue;
    const bool once = task.part == Part::update || (task.part == Part::reduction && plan.layout.zero < 2);
    network.add(sample, task, seconds[i] * (once ? 1 : plan.layout.micro_batches));
  }
  Seconds busiest = 0;
  for (int stage = 0; stage < plan.layout.pp; ++stage)
    busiest = std::max(busiest,
                       network.over(sample.classes(), layers_of_stage(stage, plan.model.num_layers, plan.layout.pp)));
  return busiest;
}

bool is_routed(const Task& task) { return task.rows != Rows::fixed && task.rows != Rows::local; }

}  // namespace

int replica_slots(const Plan& plan) {
  const auto needed = static_cast<int>(num_placed_experts(plan) / plan.layout.ep);
  int slots = needed;
  for (const ExpertPlacement& placement : plan.placement) slots = std::max(slots, placement.slots_per_rank);
  return slots - needed;
}

Seconds PathBound::least_time(const StepSample& sample, size_t number, Seconds price, int64_t most_updated,
                              bool of_variants) {
  const SampleTask& sampled = sample.tasks()[number];
  const Task& task = sample.graph().tasks[sampled.index];
  const bool is_sum = sampled.part == Part::reduction || (sampled.part == Part::update && is_collective(task.op));
  const bool of_table = sampled.place != Place::layer && (is_sum || family_of(task.op) == Family::embedding);
  if (is_transfer(task.op) || (of_variants && of_table)) return 0;
  const double size = sampled.number.at(sizes_of(plan_));
  if (is_sum) return best_.reduction(task.op, forms_.times().group(sample, number, plan_), static_cast<Bytes>(size));
  if (sampled.part == Part::update) return best_.cut(task, size, most_updated);
  return price;
}

std::vector<Seconds> PathBound::least_times(const StepSample& sample, int chunks, const Freedom& freedom) {
  LayoutRouting& routing = forms_.routing_of(plan_);
  std::vector<Seconds> seconds = forms_.times().of_all(sample, plan_, routing);
  const Seconds launch = launch_interval(plan_.profile, plan_.cluster.device, plan_.workload.phase);
  const int slots = static_cast<int>(num_placed_experts(plan_) / plan_.layout.ep) + freedom.spare_slots;
  const std::vector<LeastRows> layers = least_rows_of(plan_, routing, slots);
  const int64_t updated = most_updated(sample, plan_);
  for (size_t i = 0; i < seconds.size(); ++i) {
    const Task& task = sample.graph().tasks[sample.tasks()[i].index];
    seconds[i] = least_time(sample, i, seconds[i], updated, freedom.of_variants);
    if (!is_routed(task) || is_transfer(task.op)) continue;
    Seconds sum = 0;
    for (const LeastRows& rows : layers) {
      const Seconds least = LayerTimes(plan_, chunks, slots, rows, best_).of(task);
      sum += is_collective(task.op) || rows.total == 0 ? least : std::max(least, launch);
    }
    seconds[i] = sum / static_cast<double>(layers.size());
  }
  return seconds;
}

Seconds PathBound::of(const PlanChoices& choices, const Freedom& freedom) {
  static_cast<PlanChoices&>(plan_) = choices;
  plan_.placement.clear();
  plan_.dispatch.chunks = 1;
  Seconds least = in_chunks(1, freedom);
  for (int chunks = 2; chunks / 2 < freedom.most_chunks; chunks *= 2)
    least = std::min(least, in_chunks(std::min(chunks, freedom.most_chunks), freedom));
  return least;
}

Seconds PathBound::in_chunks(int chunks, const Freedom& freedom) {
  const StepSample& sample = forms_.sample_of(plan_);
  const std::vector<Seconds> seconds = least_times(sample, chunks, freedom);
  PassTimes times = pass_times(sample, plan_, seconds, {shares_one_lane(plan_), 1, chunks, false});
  if (freedom.of_variants) times.update_gathers = StepParts();
  const Seconds path = pipelined_seconds(plan_, sample.classes(), times);
  const Seconds least = std::max(path, busiest_network(sample, plan_, seconds));
  double fastest = 1;
  for (const double speed : plan_.cluster.device_speeds) fastest = std::max(fastest, speed);
  constexpr double kRounding = 1e-6;  // of rows to whole ones, and of SimGrid's times
  return least / fastest * (1 - kRounding);
}

}  // namespace moesaic::planner
