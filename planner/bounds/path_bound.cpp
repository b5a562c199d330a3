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

/// Every microbatch of a step where they differ.
std::vector<int64_t> iterations_that_count(const Plan& plan) {
  const bool alike = !plan.routing.recorded() && !plan.routing.generator.varies();
  std::vector<int64_t> iterations(alike ? 1 : static_cast<size_t>(plan.layout.micro_batches));
  for (size_t i = 0; i < iterations.size(); ++i) iterations[i] = static_cast<int64_t>(i);
  return iterations;
}

Plan without_placement(const Plan& plan) {
  Plan bare = plan;
  bare.placement.clear();
  bare.dispatch.chunks = 1;
  return bare;
}

/// All that the network lane of one stage's rank has to do, its sums of gradients included: [stages].
Seconds busiest_network(const StepSample& sample, const Plan& plan, const std::vector<Seconds>& seconds) {
  const int64_t layers = plan.model.num_layers;
  std::vector<int> alike(static_cast<size_t>(sample.classes().count), 0);
  for (size_t i = 0; i < sample.layers().size(); ++i)
    ++alike[static_cast<size_t>(sample.class_of(static_cast<int>(i)))];
  Seconds busiest = 0;
  for (int stage = 0; stage < plan.layout.pp; ++stage) {
    const int first = static_cast<int>(stage * layers / plan.layout.pp),
              last = static_cast<int>((stage + 1) * layers / plan.layout.pp);
    Seconds sum = 0;
    for (size_t i = 0; i < seconds.size(); ++i) {
      const SampleTask& task = sample.tasks()[i];
      if (sample.graph().tasks[task.index].lane != Lane::network) continue;
      const bool once = task.part == Part::update || (task.part == Part::reduction && plan.layout.zero < 2);
      const double layers_like_it =
          task.place == Place::before ? stage == 0
          : task.place == Place::behind
              ? stage == plan.layout.pp - 1
              : sample.classes().number_in(sample.class_of(task.layer), first, last) /
                    static_cast<double>(alike[static_cast<size_t>(sample.class_of(task.layer))]);
      sum += seconds[i] * layers_like_it * (once ? 1 : plan.layout.micro_batches);
    }
    busiest = std::max(busiest, sum);
  }
  return busiest;
}

}  // namespace

int replica_slots(const Plan& plan) {
  const auto needed = static_cast<int>(num_placed_experts(plan) / plan.layout.ep);
  int slots = needed;
  for (const ExpertPlacement& placement : plan.placement) slots = std::max(slots, placement.slots_per_rank);
  return slots - needed;
}

std::vector<Seconds> PathBound::least_times(const StepSample& sample, const Plan& plan, int chunks, int spare_slots,
                                            LayoutRouting& routing) {
  std::vector<Seconds> seconds = forms_.times().of_all(sample, plan, routing);
  const Seconds launch = launch_interval(best_.profile(), plan.cluster.device, plan.workload.phase);
  const int slots = static_cast<int>(num_placed_experts(plan) / plan.layout.ep) + spare_slots;
  const int per_node = std::min(plan.cluster.devices_per_node, plan.layout.ep);
  const std::vector<int64_t> iterations = iterations_that_count(plan);
  const int64_t updated = most_updated(sample, plan);
  const auto routed = [&](const Task& task) { return task.rows != Rows::fixed && task.rows != Rows::local; };
  for (size_t i = 0; i < seconds.size(); ++i) {
    const Task& task = sample.graph().tasks[sample.tasks()[i].index];
    const double number = sample.tasks()[i].number.at(sizes_of(plan));
    const bool is_sum =
        sample.tasks()[i].part == Part::reduction || (sample.tasks()[i].part == Part::update && is_collective(task.op));
    const bool of_table = sample.tasks()[i].place != Place::layer;
    if (of_variants_ && of_table && (is_sum || family_of(task.op) == Family::embedding)) {
      seconds[i] = 0;
      continue;
    }
    if (is_transfer(task.op)) seconds[i] = 0;
    if (is_sum)
      seconds[i] = best_.reduction(task.op, forms_.times().group(sample, i, plan), static_cast<Bytes>(number));
    if (sample.tasks()[i].part == Part::update && !is_collective(task.op))
      seconds[i] = best_.cut(task, number, updated);
    if (!routed(task) || is_transfer(task.op)) continue;
    seconds[i] = 0;
    for (const int layer : routing.layers)
      for (const int64_t iteration : iterations) {
        const LeastRows rows = least_rows(routing.binding.counts(iteration, layer, 0, 0, 1), slots, per_node);
        const Seconds least = LayerTimes(plan, chunks, slots, rows, best_).of(task);
        seconds[i] += (is_collective(task.op) ? least : std::max(least, rows.total > 0 ? launch : 0)) /
                      static_cast<double>(routing.layers.size() * iterations.size());
      }
  }
  return seconds;
}

Seconds PathBound::of(const Plan& original, const Freedom& freedom) {
  const Plan plan = without_placement(original);
  of_variants_ = freedom.of_variants;
  Seconds least = in_chunks(plan, 1, freedom.spare_slots);
  for (int chunks = 2; chunks / 2 < freedom.most_chunks; chunks *= 2)
    least = std::min(least, in_chunks(plan, std::min(chunks, freedom.most_chunks), freedom.spare_slots));
  return least;
}

Seconds PathBound::in_chunks(const Plan& plan, int chunks, int spare_slots) {
  const StepSample& sample = forms_.sample_of(plan);
  const std::vector<Seconds> seconds = least_times(sample, plan, chunks, spare_slots, forms_.routing_of(plan));
  const LaneRules rules{shares_one_lane(plan), 1, chunks, false};
  PassTimes times = pass_times(sample, plan, seconds, rules);
  if (of_variants_) times.update_gathers = {0, 0, std::vector<Seconds>(times.update_gathers.of_class.size(), 0)};
  const Seconds path = pipelined_seconds(plan, sample.classes(), times);
  const Seconds least = std::max(path, busiest_network(sample, plan, seconds));
  double fastest = 1;
  for (const double speed : plan.cluster.device_speeds) fastest = std::max(fastest, speed);
  constexpr double kRounding = 1e-6;  // of rows to whole ones, and of SimGrid's times
  return least / fastest * (1 - kRounding);
}

}  // namespace moesaic::planner
