#include "cli/edited_profile.h"

#include <algorithm>
#include <limits>

#include "core/network/collective_demand.h"
#include "core/operators/operator.h"

namespace moesaic::cli {
namespace {

double rate_of(const OperatorCurve& curve, const Device& device) {
  const std::optional<Op> op = op_named(curve.op);
  if (!op || !is_matrix_product(*op)) return device.memory_bandwidth_bytes_per_s;
  return curve.dtype == DType::f32 ? device.peak_f32_flops_per_s : device.peak_bf16_flops_per_s;
}

/// Ranks of the cluster as a curve's: of one node, or of as many nodes as there are.
std::vector<int> group_of(const CollectiveCurve& curve, const Cluster& cluster) {
  const int nodes = curve.crosses_nodes ? cluster.num_nodes : 1;
  const int of_node = (curve.num_ranks + nodes - 1) / nodes;
  std::vector<int> group;
  for (int i = 0; i < curve.num_ranks; ++i) group.push_back(i / of_node * cluster.devices_per_node + i % of_node);
  return group;
}

/// Of a collective's time at a curve's point, what its busiest port spends on messages.
Seconds message_seconds(const CollectiveCurve& curve, Bytes bytes, const Cluster& cluster) {
  const std::optional<Op> op = op_named(curve.collective);
  const bool ring = op == Op::all_reduce || op == Op::all_gather || op == Op::reduce_scatter;
  if (!(ring || op == Op::all_to_all) || curve.num_ranks < 2) return 0;
  Cluster of_messages = cluster;
  for (Link* link : {&of_messages.intra_node, &of_messages.nic, &of_messages.spine}) {
    link->latency_s = 0;
    link->bandwidth_bytes_per_s = std::numeric_limits<double>::infinity();
  }
  const Bytes part = std::max<Bytes>(1, bytes / (curve.num_ranks - 1));
  const std::vector<int> group = group_of(curve, cluster);
  const CollectiveDemand demand =
      ring ? reduction_demand(*op, group, *op == Op::all_reduce ? part * curve.num_ranks / 2 : part, cluster)
           : all_to_all_demand(
                 group, [&](int, int) { return part; }, cluster);
  return alpha_beta_seconds(demand, of_messages);
}

}  // namespace

Profile with_edited_rates(Profile profile, const Cluster& before, const Cluster& after) {
  for (OperatorCurve& curve : profile.operators) {
    const double ratio = rate_of(curve, before.device) / rate_of(curve, after.device);
    if (ratio == 1) continue;
    for (Seconds& seconds : curve.seconds) seconds *= ratio;
    curve.provenance = Provenance::assumed;
  }
  for (CollectiveCurve& curve : profile.collectives) {
    const Link& old_link = curve.crosses_nodes ? before.nic : before.intra_node;
    const Link& new_link = curve.crosses_nodes ? after.nic : after.intra_node;
    if (old_link == new_link || !old_link.present() || !new_link.present()) continue;
    const double ratio = old_link.reached_bytes_per_s() / new_link.reached_bytes_per_s();
    for (size_t i = 0; i < curve.seconds.size(); ++i) {
      const Seconds old_fixed = old_link.latency_s + message_seconds(curve, curve.bytes[i], before);
      const Seconds new_fixed = new_link.latency_s + message_seconds(curve, curve.bytes[i], after);
      curve.seconds[i] = new_fixed + std::max(0.0, curve.seconds[i] - old_fixed) * ratio;
    }
    curve.provenance = Provenance::assumed;
  }
  return profile;
}

}  // namespace moesaic::cli
