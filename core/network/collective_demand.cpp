#include "core/network/collective_demand.h"

#include <algorithm>
#include <bit>
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

/// Rounds until log2 algorithms have reached n members.
int log2_steps(int n) { return std::bit_width(static_cast<unsigned>(n - 1)); }

/// An all-reduce is a reduce_scatter and an all_gather, in the tree a reduction and a broadcast.
int phases_of(Op op) { return op == Op::all_reduce ? 2 : 1; }

/// One message per round, of an equal part of the bytes.
int64_t messages_of(int steps, Bytes bytes, const Link& link) {
  return bytes > 0 ? steps * packets_of((bytes + steps - 1) / steps, link) : 0;
}

/// all_reduce: 2 S (n-1)/n, rounded up to whole bytes; all_gather and reduce_scatter: S (n-1)   (nccl-tests
/// PERFORMANCE.md).
Bytes ring_bytes(Op op, int64_t n, Bytes bytes) {
  return op == Op::all_reduce ? (2 * bytes * (n - 1) + n - 1) / n : bytes * (n - 1);
}

using LocalsOfNode = std::map<int, std::vector<int>>;

LocalsOfNode locals_of_node(const std::vector<int>& group, const Cluster& cluster) {
  LocalsOfNode locals;
  for (int rank : group) locals[cluster.node_of(rank)].push_back(cluster.local_rank(rank));
  return locals;
}

/// Every member passes `bytes` inside its node; what leaves a node, as much, is spread over its members.
void spread(CollectiveDemand& demand, Bytes bytes, const LocalsOfNode& locals, const Cluster& cluster) {
  const bool leaves_rail = cluster.rail_optimized && !same_locals_in_every_node(locals);
  const int steps = demand.intra_steps + demand.inter_steps;
  std::map<int, int> seen_of_node;
  for (MemberDemand& member : demand.members) {
    const int node = cluster.node_of(member.rank);
    const int neighbours = static_cast<int>(locals.at(node).size());
    if (neighbours > 1) {
      member.intra_out = member.intra_in = bytes;
      member.intra_messages = messages_of(steps, member.intra_out, cluster.intra_node);
    }
    if (demand.crosses_nodes) {
      // Shares of the node's members add up to exactly what leaves the node.
      member.inter_out = member.inter_in = chunk_share(bytes, seen_of_node[node]++, neighbours);
      member.inter_messages = messages_of(steps, member.inter_out, cluster.nic);
    }
    if (leaves_rail) member.spine_out = member.spine_in = member.inter_out;
  }
}

bool has_its_links(const CollectiveDemand& demand, const Cluster& cluster) {
  return std::all_of(demand.members.begin(), demand.members.end(), [&](const MemberDemand& member) {
    return (member.intra_out == 0 || cluster.intra_node.present()) && (member.inter_out == 0 || cluster.nic.present());
  });
}

}  // namespace

CollectiveDemand all_to_all_demand(const std::vector<int>& group, const PairBytes& pair_bytes, const Cluster& cluster) {
  const int n = static_cast<int>(group.size());
  const bool crosses = spans_nodes(group, cluster);
  CollectiveDemand demand{idle_members(group), 0, crosses, n > 1 && !crosses ? 1 : 0, crosses ? 1 : 0};
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
  const LocalsOfNode locals = locals_of_node(group, cluster);
  const int nodes = static_cast<int>(locals.size()), between = nodes > 1 ? std::min(nodes, n - 1) : 0;
  CollectiveDemand demand{idle_members(group), ring_bytes(op, n, bytes), nodes > 1, phases_of(op) * (n - 1 - between),
                          phases_of(op) * between};
  if (n > 1) spread(demand, demand.busiest_bytes, locals, cluster);
  return demand;
}

CollectiveDemand tree_demand(Op op, const std::vector<int>& group, Bytes bytes, const Cluster& cluster) {
  const int n = static_cast<int>(group.size());
  const LocalsOfNode locals = locals_of_node(group, cluster);
  size_t most = 1;
  for (const auto& [node, members] : locals) most = std::max(most, members.size());
  const int nodes = static_cast<int>(locals.size());
  CollectiveDemand demand{idle_members(group), ring_bytes(op, n, bytes), nodes > 1,
                          phases_of(op) * log2_steps(static_cast<int>(most)), phases_of(op) * log2_steps(nodes)};
  if (n > 1) spread(demand, op == Op::all_reduce ? 2 * bytes : demand.busiest_bytes, locals, cluster);
  return demand;
}

CollectiveDemand reduction_demand(Op op, const std::vector<int>& group, Bytes bytes, const Cluster& cluster) {
  CollectiveDemand ring = ring_demand(op, group, bytes, cluster);
  // Two members do the same in both; without a link there is no price, which whoever asks for one says.
  if (group.size() <= 2 || !has_its_links(ring, cluster)) return ring;
  CollectiveDemand tree = tree_demand(op, group, bytes, cluster);
  return alpha_beta_seconds(tree, cluster) < alpha_beta_seconds(ring, cluster) ? tree : ring;
}

CollectiveDemand demand_of(const TaskGraph& graph, const Task& task, int rank, const SlotCounts* counts,
                           const Cluster& cluster, int64_t rows) {
  const std::vector<int>& group = graph.group(task.communicator, rank);
  if (task.op != Op::all_to_all)
    return reduction_demand(task.op, group, is_window(task.rows) ? rows * task.bytes_per_row : task.bytes, cluster);
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
