#include "core/network/collective_demand.h"

#include <algorithm>
#include <map>

#include "core/schema/error.h"

namespace moesaic {
namespace {

std::vector<MemberDemand> idle_members(const std::vector<int>& group) {
  std::vector<MemberDemand> members(group.size());
  for (size_t i = 0; i < group.size(); ++i) members[i].rank = group[i];
  return members;
}

bool spans_nodes(const std::vector<int>& group, const Cluster& cluster) {
  return std::any_of(group.begin(), group.end(),
                     [&](int rank) { return cluster.node_of(rank) != cluster.node_of(group.front()); });
}

/// A link's packets of one message.
int64_t packets_of(Bytes bytes, const Link& link) {
  return link.packet_bytes > 0 ? (bytes + link.packet_bytes - 1) / link.packet_bytes : 1;
}

void add_message(MemberDemand& from, MemberDemand& to, Bytes bytes, const Cluster& cluster) {
  if (cluster.node_of(from.rank) == cluster.node_of(to.rank)) {
    from.intra_out += bytes;
    to.intra_in += bytes;
    from.intra_messages += packets_of(bytes, cluster.intra_node);
    return;
  }
  from.inter_out += bytes;
  to.inter_in += bytes;
  from.inter_messages += packets_of(bytes, cluster.nic);
  if (cluster.rail_optimized && cluster.local_rank(from.rank) != cluster.local_rank(to.rank)) {
    from.spine_out += bytes;
    to.spine_in += bytes;
  }
}

/// Rings stay on their rails only when the group has the same local ranks in every node.
bool same_locals_in_every_node(const std::map<int, std::vector<int>>& locals_of_node) {
  return std::all_of(locals_of_node.begin(), locals_of_node.end(),
                     [&](const auto& entry) { return entry.second == locals_of_node.begin()->second; });
}

/// Rounds of the ring; each sends one message.
int ring_steps(Op op, int n) { return op == Op::all_reduce ? 2 * (n - 1) : n - 1; }

/// One message per round, of an equal part of the bytes.
int64_t ring_messages(int steps, Bytes bytes, const Link& link) {
  return bytes > 0 ? steps * packets_of((bytes + steps - 1) / steps, link) : 0;
}

/// all_reduce: 2 S (n-1)/n, rounded up to whole bytes; all_gather and reduce_scatter: S (n-1)   (nccl-tests
/// PERFORMANCE.md).
Bytes ring_bytes(Op op, int64_t n, Bytes bytes) {
  return op == Op::all_reduce ? (2 * bytes * (n - 1) + n - 1) / n : bytes * (n - 1);
}

}  // namespace

CollectiveDemand all_to_all_demand(const std::vector<int>& group, const PairBytes& pair_bytes, const Cluster& cluster) {
  const int n = static_cast<int>(group.size());
  CollectiveDemand demand{idle_members(group), 0, spans_nodes(group, cluster), n > 1 ? 1 : 0};
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) {
      if (i == j) continue;
      const Bytes bytes = pair_bytes(i, j);
      MOESAIC_CHECK(bytes >= 0, "a member cannot send a negative number of bytes");
      if (bytes > 0)
        add_message(demand.members[static_cast<size_t>(i)], demand.members[static_cast<size_t>(j)], bytes, cluster);
    }
  for (const MemberDemand& member : demand.members)
    demand.busiest_bytes =
        std::max({demand.busiest_bytes, member.intra_out + member.inter_out, member.intra_in + member.inter_in});
  return demand;
}

CollectiveDemand ring_demand(Op op, const std::vector<int>& group, Bytes bytes, const Cluster& cluster) {
  MOESAIC_CHECK(op == Op::all_reduce || op == Op::all_gather || op == Op::reduce_scatter, "not a ring collective");
  const int n = static_cast<int>(group.size());
  const bool crosses = spans_nodes(group, cluster);
  CollectiveDemand demand{idle_members(group), ring_bytes(op, n, bytes), crosses, ring_steps(op, n)};
  if (n == 1) return demand;

  std::map<int, std::vector<int>> locals_of_node;
  for (int rank : group) locals_of_node[cluster.node_of(rank)].push_back(cluster.local_rank(rank));
  const bool leaves_rail = cluster.rail_optimized && !same_locals_in_every_node(locals_of_node);
  std::map<int, int> seen_of_node;
  for (MemberDemand& member : demand.members) {
    const int node = cluster.node_of(member.rank);
    const int neighbours = static_cast<int>(locals_of_node[node].size());
    if (neighbours > 1) {
      member.intra_out = member.intra_in = demand.busiest_bytes;
      member.intra_messages = ring_messages(demand.latency_steps, member.intra_out, cluster.intra_node);
    }
    if (crosses) {
      // Shares of the node's members add up to exactly what leaves the node.
      member.inter_out = member.inter_in = chunk_share(demand.busiest_bytes, seen_of_node[node]++, neighbours);
      member.inter_messages = ring_messages(demand.latency_steps, member.inter_out, cluster.nic);
    }
    if (leaves_rail) member.spine_out = member.spine_in = member.inter_out;
  }
  return demand;
}

CollectiveDemand demand_of(const TaskGraph& graph, const Task& task, int rank, const SlotCounts* counts,
                           const Cluster& cluster, int64_t rows) {
  const std::vector<int>& group = graph.group(task.communicator, rank);
  if (task.op != Op::all_to_all)
    return ring_demand(task.op, group, is_window(task.rows) ? rows * task.bytes_per_row : task.bytes, cluster);
  if (!is_routed(task.leg)) {
    const auto fixed_bytes = [&](int from, int to) {
      return graph.rows_between(task.leg, group[static_cast<size_t>(from)], group[static_cast<size_t>(to)]) *
             task.bytes_per_row;
    };
    return all_to_all_demand(group, fixed_bytes, cluster);
  }
  MOESAIC_CHECK(counts != nullptr, "task '" + task.label + "': an all-to-all needs the rows that routing gives");
  const int ep = counts->num_ranks();
  const int ranks_per_node = std::min(cluster.devices_per_node, ep);
  // Groups of the families "node" and "rail" are parts of one expert-parallel group, in whose positions rows are
  // counted.
  const auto position = [&](int member) { return group[static_cast<size_t>(member)] % ep; };
  const auto pair_bytes = [&](int from, int to) {
    return counts->leg_rows(task.leg, position(from), position(to), ranks_per_node) * task.bytes_per_row;
  };
  return all_to_all_demand(group, pair_bytes, cluster);
}

}  // namespace moesaic
