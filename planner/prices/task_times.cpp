#include "planner/prices/task_times.h"

#include <algorithm>
#include <cmath>

#include "core/cost/gpu_overheads.h"
#include "core/cost/signature.h"
#include "core/graph/communicators.h"
#include "core/operators/transfers.h"

namespace moesaic::planner {
namespace {

/// MoE layers that are looked at under one layout: a generator draws all of them alike.
constexpr int kMostLayers = 4;

Plan without_profile(const Plan& plan) {
  Plan slim;
  static_cast<PlanChoices&>(slim) = plan;
  slim.name = plan.name;
  slim.model = plan.model, slim.cluster = plan.cluster, slim.workload = plan.workload, slim.routing = plan.routing;
  return slim;
}

std::string key_of(const Task& task) {
  return signature_of(task.op, task.dtype, task.shape) + '|' + name_of(stored_as(task).weights) + '|' +
         std::to_string(static_cast<int>(task.leg)) + '|' + std::to_string(task.bytes_per_row) + '|' +
         std::to_string(task.num_chunks);
}

}  // namespace

LayoutRouting::LayoutRouting(const Plan& of)
    : plan(without_profile(of)),
      binding(plan),
      layers(layers_that_count(plan, kMostLayers)),
      rows(layout_rows(plan, binding, layers)) {}

Seconds LayoutRouting::mean_over_chunks(uint64_t key, int num_chunks,
                                        const std::function<Seconds(const SlotCounts&)>& price) {
  const auto [known, is_new] = seconds_.try_emplace(key, 0);
  if (!is_new) return known->second;
  for (const int layer : layers)
    for (int chunk = 0; chunk < num_chunks; ++chunk)
      known->second +=
          price(binding.counts(0, layer, 0, chunk, num_chunks)) / static_cast<double>(layers.size()) / num_chunks;
  return known->second;
}

TaskTimes::TaskTimes(const Plan& documents)
    : cluster_(documents.cluster),
      cost_(documents.profile, documents.cluster),
      launch_interval_(launch_interval(documents.profile, documents.cluster.device, documents.workload.phase)),
      collective_slowdown_(moesaic::collective_slowdown(documents.profile, documents.cluster.device)) {}

std::vector<Seconds> TaskTimes::of_all(const StepSample& sample, const Plan& plan, LayoutRouting& routing) {
  const std::vector<Way>& ways_of_tasks = ways(sample);
  const SizeTerms sizes(sizes_of(plan));
  const int layout = number_of_layout(plan);
  std::vector<Seconds> seconds(ways_of_tasks.size());
  for (size_t i = 0; i < seconds.size(); ++i) {
    const Way& way = ways_of_tasks[i];
    if (way.like >= 0) {
      seconds[i] = seconds[static_cast<size_t>(way.like)];
      continue;
    }
    const SampleTask& sampled = sample.tasks()[i];
    const Task& task = sample.graph().tasks[sampled.index];
    const auto number = [&] { return static_cast<int64_t>(std::max(0.0, sampled.number.at(sizes)) + 0.5); };
    switch (way.by) {
      case Way::By::rows:
        seconds[i] = compute(task, way.number, number());
        break;
      case Way::By::routed_rows: {
        const double rows = routing.rows.busiest[static_cast<size_t>(task.rows)] / task.num_chunks;
        seconds[i] = compute(task, way.number, static_cast<int64_t>(rows + 0.5));
        break;
      }
      case Way::By::experts:
        seconds[i] = experts(task, way.number, routing);
        break;
      case Way::By::collective:
        seconds[i] = collective(task.op, way.family, number(), plan, layout);
        break;
      case Way::By::all_to_all:
        seconds[i] = all_to_all(task, way, plan, routing);
        break;
      case Way::By::transfer:
        seconds[i] = transfer(task, plan, routing);
        break;
    }
  }
  return seconds;
}

const std::vector<TaskTimes::Way>& TaskTimes::ways(const StepSample& sample) {
  const auto [known, is_new] = ways_.try_emplace(&sample);
  std::vector<Way>& ways = known->second;
  if (!is_new) return ways;
  const auto task = [&](size_t i) -> const Task& { return sample.graph().tasks[sample.tasks()[i].index]; };
  for (size_t i = 0; i < sample.tasks().size(); ++i) {
    ways.push_back(way_of(sample.graph(), task(i)));
    const auto is_like = [&](size_t other) {
      return ways[other].number == ways[i].number && task(other).rows == task(i).rows &&
             sample.tasks()[other].number == sample.tasks()[i].number;
    };
    for (size_t other = 0; other < i && ways[i].like < 0; ++other)
      if (is_like(other)) ways[i].like = static_cast<int>(other);
  }
  return ways;
}

TaskTimes::Way TaskTimes::way_of(const TaskGraph& graph, const Task& task) {
  Way way;
  std::string key = key_of(task);
  if (is_collective(task.op)) {
    const std::string& family = graph.communicators[task.communicator].name;
    way.by = task.op == Op::all_to_all ? Way::By::all_to_all : Way::By::collective;
    way.family = number_among(families_, family);
    key += family;
  } else if (is_transfer(task.op)) {
    way.by = Way::By::transfer;
  } else if (is_experts(task.op)) {
    way.by = Way::By::experts;
  } else if (task.rows != Rows::fixed && task.rows != Rows::local) {
    way.by = Way::By::routed_rows;
  }
  way.number = static_cast<uint64_t>(number_among(numbers_, key));
  return way;
}

Seconds TaskTimes::compute(const Task& task, uint64_t number, int64_t rows) {
  if (rows <= 0) return 0;
  constexpr int kRowBits = 40;
  const auto [known, is_new] = computed_.try_emplace(number << kRowBits | static_cast<uint64_t>(rows), 0);
  if (is_new) known->second = std::max(cost_.compute(task, rows).seconds, launch_interval_) + cost_.task_overhead();
  return known->second;
}

Seconds TaskTimes::experts(const Task& task, uint64_t number, LayoutRouting& routing) {
  return routing.mean_over_chunks(number, task.num_chunks, [&](const SlotCounts& counts) {
    const std::vector<int64_t> rows = counts.slot_rows(busiest_rank(counts));
    const Seconds seconds = cost_.experts(task, rows).seconds;
    return seconds > 0 ? std::max(seconds, launch_interval_) + cost_.task_overhead() : 0;
  });
}

/// Of the first expert-parallel group. On legs that routing does not decide, a rank sends all others as many rows.
Seconds TaskTimes::all_to_all(const Task& task, const Way& way, const Plan& plan, LayoutRouting& routing) {
  return routing.mean_over_chunks(way.number, task.num_chunks, [&](const SlotCounts& counts) {
    const CommunicatorFamily& family = family_of(way.family, plan);
    const int per_node = std::min(cluster_.devices_per_node, plan.layout.ep);
    Seconds slowest = 0;
    for (const std::vector<int>& group : family.groups) {
      if (is_routed(task.leg) && group.front() >= plan.layout.ep) break;
      const auto rows = [&](int from, int to) {
        return is_routed(task.leg) ? counts.leg_rows(task.leg, group[static_cast<size_t>(from)],
                                                     group[static_cast<size_t>(to)], per_node)
                                   : sizes_of(plan).tokens;
      };
      const auto bytes = [&](int from, int to) { return rows(from, to) * task.bytes_per_row; };
      slowest = std::max(slowest, seconds_of(task.op, all_to_all_demand(group, bytes, cluster_)));
    }
    return slowest;
  });
}

Seconds TaskTimes::collective(Op op, int family, Bytes bytes, const Plan& plan, int layout) {
  const auto [known, is_new] = collectives_.try_emplace({bytes, static_cast<int>(op), family, layout}, 0);
  if (is_new) known->second = seconds_of(op, reduction_demand(op, family_of(family, plan).groups[0], bytes, cluster_));
  return known->second;
}

Seconds TaskTimes::seconds_of(Op op, const CollectiveDemand& demand) const {
  if (demand.members.size() < 2) return 0;
  const CollectiveCurve* curve =
      cost_.collective_curve(op, static_cast<int>(demand.members.size()), demand.crosses_nodes);
  return curve != nullptr ? cost_.collective(*curve, demand.busiest_bytes).seconds
                          : alpha_beta_seconds(demand, cluster_);
}

/// Ranks of a node share its ports; what host memory caches of storage is not read again.
Seconds TaskTimes::transfer(const Task& task, const Plan& plan, const LayoutRouting& routing) const {
  const Cluster& c = cluster_;
  const double slots = routing.rows.busiest[static_cast<size_t>(Rows::active_slots)];  // a mean, no whole number
  const auto elements =
      static_cast<int64_t>(slots * static_cast<double>(plan.model.expert_parameters() / plan.layout.expert_slices));
  const double all = static_cast<double>(num_placed_experts(plan) * plan.model.num_moe_layers()) / plan.layout.ep;
  const double missing = std::max(0.0, 1 - static_cast<double>(plan.expert_storage.cache_entries) / all);
  const int ranks_of_node = std::min(c.devices_per_node, plan.layout.ranks);
  const auto over = [](double ranks, Bytes bytes, BytesPerSecond bandwidth) {
    return bandwidth > 0 ? ranks * static_cast<double>(bytes) / bandwidth : 0;
  };
  const Bytes states = bytes_of(DType::f32, kStateWords * elements);
  switch (task.op) {
    case Op::load_experts:
      return over(ranks_of_node * missing, states, c.storage_read_bytes_per_s);
    case Op::store_experts:
      return over(ranks_of_node * missing, states, c.storage_write_bytes_per_s);
    case Op::check_experts:
      return over(ranks_of_node, bytes_of(DType::f32, kHostCheckWords * elements), c.host_memory_bandwidth_bytes_per_s);
    case Op::update_experts:
      return over(ranks_of_node, bytes_of(DType::f32, kHostUpdateWords * elements),
                  c.host_memory_bandwidth_bytes_per_s);
    default:  // fetch or drain
      return over(std::min(ranks_of_node, c.devices_per_pcie_switch), bytes_of(plan.workload.compute_dtype, elements),
                  c.pcie.bandwidth_bytes_per_s);
  }
}

int TaskTimes::number_of_layout(const Plan& plan) {
  Layout layout = plan.layout;
  layout.ranks = layout.stage_ranks(), layout.pp = 1;
  const int number = number_among(layouts_, {layout.ranks, layout.ep, layout.tp, layout.token_copies()});
  if (static_cast<size_t>(number) == groups_.size()) groups_.push_back(communicators_of(layout, cluster_, {}));
  return number;
}

const CommunicatorFamily& TaskTimes::family_of(int family, const Plan& plan) {
  const Table<int, CommunicatorFamily>& all = groups_[static_cast<size_t>(number_of_layout(plan))];
  const auto name =
      std::find_if(families_.begin(), families_.end(), [&](const auto& known) { return known.second == family; });
  return *std::find_if(all.begin(), all.end(), [&](const CommunicatorFamily& of) { return of.name == name->first; });
}

}  // namespace moesaic::planner
