#include "simulator/task_prices.h"

#include <algorithm>

#include "core/cost/gpu_overheads.h"
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
}

Price TaskPrices::price_of(TaskIndex index, int64_t rows, int rank) const {
  const Task& task = graph_.tasks[index];
  if (!is_experts(task.op)) return cost_.compute(index, rows);
  const SlotCounts& counts = rows_.counts(task, rank);
  return cost_.experts(index, counts.slot_rows(rank % counts.num_ranks()));
}

Seconds TaskPrices::compute(TaskIndex task, int rank) {
  const int64_t rows = rows_.rows(task, rank);
  if (rows <= 0) return 0;
  const Price price = price_of(task, rows, rank);
  constexpr Seconds kLongest = 1e9;  // 30 years: a rate in a document is wrong
  if (!(price.seconds < kLongest))
    throw InputError("", "/documents/cluster",
                     "task '" + graph_.tasks[task].label + "' would take " + format_seconds(price.seconds),
                     "rates that let a task end within 1e9 s", "look for a rate that is far too small");
  ++basis_[static_cast<size_t>(price.basis)];
  return (std::max(price.seconds, launch_interval_) + cost_.task_overhead()) / plan_.cluster.speed_of(rank);
}

CollectivePrice TaskPrices::collective(Op op, const CollectiveDemand& demand) {
  if (demand.members.size() < 2) return {};
  const bool on_cores = platform_.cluster().device.lanes_share_core && !demand.crosses_nodes;
  const CollectiveCurve* curve =
      cost_.collective_curve(op, static_cast<int>(demand.members.size()), demand.crosses_nodes);
  if (curve == nullptr) {
    ++alpha_beta_;
    const Seconds latency = latency_seconds(demand, platform_.cluster());
    return on_cores ? CollectivePrice{0, latency + platform_.port_seconds(demand), 0} : CollectivePrice{latency, 0, 1};
  }
  const Price price = cost_.collective(*curve, demand.busiest_bytes);
  ++basis_[static_cast<size_t>(price.basis)];
  if (on_cores) return {0, price.seconds, 0};
  const Seconds port_seconds = platform_.port_seconds(demand);
  // The curve holds latency too, so the whole of its time is spread over the bytes; without bytes it is a delay.
  return port_seconds > 0 ? CollectivePrice{0, 0, price.seconds / port_seconds} : CollectivePrice{price.seconds, 0, 0};
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
    ++basis_[static_cast<size_t>(price.basis)];
    seconds += price.seconds;
  };
  add(Op::regroup, plan_.model.hidden, work.moved.to_device / row_bytes);
  add(Op::add, plan_.model.hidden, work.moved.from_device / row_bytes);
  add(Op::adamw, 0, work.updated_elements);
  return seconds;
}

std::map<std::string, int64_t> TaskPrices::basis() const {
  std::map<std::string, int64_t> counts;
  for (size_t i = 0; i < basis_.size(); ++i)
    if (basis_[i] > 0) counts[name_of(static_cast<Basis>(i))] = basis_[i];
  if (alpha_beta_ > 0) counts[kAlphaBeta] = alpha_beta_;
  return counts;
}

}  // namespace moesaic::simulator
