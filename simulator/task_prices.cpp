#include "simulator/task_prices.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "core/cost/gpu_overheads.h"
#include "core/operators/transfers.h"
#include "core/schema/error.h"

namespace moesaic::simulator {

TaskPrices::TaskPrices(const TaskGraph& graph, const Plan& plan, const Platform& platform, RowTable& rows)
    : graph_(graph),
      platform_(platform),
      rows_(rows),
      plan_(plan),
      cost_(plan.profile, plan.cluster),
      launch_interval_(launch_interval(plan.profile, plan.cluster.device, plan.workload.phase)),
      collective_slowdown_(moesaic::collective_slowdown(plan.profile, plan.cluster.device)) {
  cost_.prepare(graph);
  number_kinds();
}

void TaskPrices::number_kinds() {
  std::map<std::tuple<int, int32_t, int64_t, int32_t>, int32_t> known;  // by method, rows bound, else fixed, routing
  for (size_t i = 0; i < graph_.tasks.size(); ++i) {
    const Task& task = graph_.tasks[i];
    kind_of_task_.push_back(-1);
    if (is_collective(task.op) || is_transfer(task.op)) continue;
    const int32_t bound = rows_.binding(TaskIndex(i)), routing = is_experts(task.op) ? rows_.routing_of(task) : -1;
    const auto [entry, is_new] = known.try_emplace(
        {cost_.method_of(TaskIndex(i)), bound, bound < 0 ? task.fixed_rows : 0, routing}, num_kinds());
    kind_of_task_.back() = entry->second;
    if (!is_new) continue;
    first_of_kind_.emplace_back(i);
    routing_of_kind_.push_back(routing);
  }
}

Price TaskPrices::price_of(TaskIndex index, int64_t rows, int rank) const {
  const int32_t routing = routing_of_kind_[static_cast<size_t>(kind_of(index))];
  if (routing < 0) return cost_.compute(index, rows);
  const SlotCounts& counts = rows_.counts(routing, rank);
  return cost_.experts(index, counts.slot_rows(rank % counts.num_ranks()));
}

ComputePrice TaskPrices::compute(int32_t kind, int rank) const {
  const TaskIndex task = first_of_kind_[static_cast<size_t>(kind)];
  const int64_t rows = rows_.rows(task, rank);
  if (rows <= 0) return {};
  const Price price = price_of(task, rows, rank);
  if (!(price.seconds < kLongest))
    throw InputError("", "/documents/cluster",
                     "task '" + graph_.tasks[task].label + "' would take " + format_seconds(price.seconds),
                     "rates that let a task end within 1e9 s", "look for a rate that is far too small");
  return {(std::max(price.seconds, launch_interval_) + cost_.task_overhead()) / plan_.cluster.speed_of(rank),
          static_cast<int>(price.basis)};
}

CollectivePrice TaskPrices::collective(Op op, const CollectiveDemand& demand) const {
  if (demand.members.size() < 2) return {};
  const bool on_cores = platform_.cluster().device.lanes_share_core && !demand.crosses_nodes;
  const CollectiveCurve* curve =
      cost_.collective_curve(op, static_cast<int>(demand.members.size()), demand.crosses_nodes);
  if (curve == nullptr) {
    const Seconds latency = latency_seconds(demand, platform_.cluster());
    return on_cores ? CollectivePrice{0, latency + platform_.port_seconds(demand), 0, kNumBases}
                    : CollectivePrice{latency, 0, 1, kNumBases};
  }
  const Price price = cost_.collective(*curve, demand.busiest_bytes);
  const int basis = static_cast<int>(price.basis);
  if (on_cores) return {0, price.seconds, 0, basis};
  const Seconds port_seconds = platform_.port_seconds(demand);
  // The curve holds latency too, so the whole of its time is spread over the bytes; without bytes it is a delay.
  return port_seconds > 0 ? CollectivePrice{0, 0, price.seconds / port_seconds, basis}
                          : CollectivePrice{price.seconds, 0, 0, basis};
}

Seconds TaskPrices::on_core(const TransferWork& work) {
  const Bytes row_bytes = bytes_of(DType::f32, plan_.model.hidden);
  Seconds seconds = 0;
  const auto add = [&](Op op, int64_t width, int64_t rows) {
    if (rows <= 0) return;
    Task task;
    task.op = op;
    task.shape.k = width;
    const Price price = cost_.compute(task, rows);
    count(static_cast<int>(price.basis), 1);
    seconds += price.seconds;
  };
  add(Op::regroup, plan_.model.hidden, work.moved.to_device / row_bytes);
  add(Op::add, plan_.model.hidden, work.moved.from_device / row_bytes);
  add(Op::check_gradients, 0, work.checked_elements);
  add(Op::adamw, 0, work.updated_elements);
  return seconds;
}

std::map<std::string, int64_t> TaskPrices::basis() const {
  std::map<std::string, int64_t> counts;
  for (size_t i = 0; i < kNumBases; ++i)
    if (basis_[i] > 0) counts[name_of(static_cast<Basis>(i))] = basis_[i];
  if (basis_.back() > 0) counts[kAlphaBeta] = basis_.back();
  return counts;
}

}  // namespace moesaic::simulator
