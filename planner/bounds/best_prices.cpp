#include "planner/bounds/best_prices.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "core/cost/signature.h"
#include "core/operators/operator.h"

namespace moesaic::planner {

Cluster without_latency(Cluster cluster) {
  cluster.nic.latency_s = cluster.intra_node.latency_s = cluster.spine.latency_s = 0;
  cluster.nic.message_s = cluster.intra_node.message_s = 0;
  return cluster;
}

// A curve is linear between its points and proportional beyond them, so that seconds per byte are least at a point or
// where the pieces begin.
Seconds BestPrices::on_curve(Op op, int num_ranks, bool crosses_nodes, double bytes, double piece) const {
  const CollectiveCurve* curve = cost_.collective_curve(op, num_ranks, crosses_nodes);
  const auto first = static_cast<Bytes>(piece);
  if (curve == nullptr || first <= 0) return 0;
  double per_byte = cost_.collective(*curve, first).seconds / static_cast<double>(first);
  for (size_t i = 0; i < curve->bytes.size(); ++i)
    if (curve->bytes[i] >= first)
      per_byte = std::min(per_byte, curve->seconds[i] / static_cast<double>(curve->bytes[i]));
  return bytes * per_byte;
}

Seconds BestPrices::reduction(Op op, const std::vector<int>& group, Bytes bytes) const {
  if (group.size() < 2 || bytes <= 0) return 0;
  const CollectiveDemand demand = reduction_demand(op, group, bytes, ports_);
  const auto ranks = static_cast<int>(group.size());
  if (cost_.collective_curve(op, ranks, demand.crosses_nodes) == nullptr) return alpha_beta_seconds(demand, ports_);
  const auto busiest = static_cast<double>(demand.busiest_bytes);
  return on_curve(op, ranks, demand.crosses_nodes, busiest, busiest);
}

Seconds BestPrices::cut(const Task& task, double rows, int64_t most) {
  if (!(rows > 0)) return 0;
  return least_per_row(task, most > 0 ? most : std::max<int64_t>(1, static_cast<int64_t>(rows))) * rows;
}

/// A curve is linear between its points, so the least price per row stands at one of them, at the largest size, or
/// below the first point, where every size is tried; powers of two serve for curves scaled from other dimensions.
Seconds BestPrices::least_per_row(const Task& task, int64_t most) {
  const std::string stored = name_of(stored_as(task).weights);
  const auto [known, fresh] = memo_.try_emplace({signature_of(task.op, task.dtype, task.shape) + stored, most}, 0);
  if (!fresh) return known->second;
  if (const Seconds of_tables = cost_.least_per_row(task); of_tables > 0) return known->second = of_tables;
  Seconds least = std::numeric_limits<Seconds>::max();
  const auto at = [&](int64_t rows) {
    if (rows <= most) least = std::min(least, whole(task, rows) / static_cast<double>(rows));
  };
  const std::optional<Op> like = facts_of(task.op).priced_like;
  at(most);
  for (int64_t rows = 1; rows <= most; rows *= 2) at(rows);
  for (const int64_t rows : cost_.table_rows(task)) at(rows);
  for (const OperatorCurve& curve : profile_.operators) {
    if (curve.op != name_of(task.op) && !(like && curve.op == name_of(*like))) continue;
    for (int64_t rows = 1; rows < std::min(curve.rows.front(), most); ++rows) at(rows);
    for (const int64_t rows : curve.rows) at(std::max<int64_t>(1, rows));
  }
  return known->second = least;
}

}  // namespace moesaic::planner
