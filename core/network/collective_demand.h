#pragma once
// What one collective asks of the ports of its members: bytes per direction and link class. It holds no bandwidths and
// no times; the alpha-beta price and the simulator both start from it.

#include <functional>
#include <vector>

#include "core/graph/task_graph.h"
#include "core/routing/slot_counts.h"
#include "core/schema/cluster.h"

namespace moesaic {

/// Port loads of one member. `spine` is the part of inter-node bytes that leaves the sender's rail. What a member keeps
/// for itself crosses no port and is counted nowhere.
struct MemberDemand {
  int rank = 0;
  Bytes intra_out = 0, intra_in = 0;
  Bytes inter_out = 0, inter_in = 0;
  Bytes spine_out = 0, spine_in = 0;
  int64_t intra_messages = 0, inter_messages = 0;  // sent, empty ones not counted; packets where the link cuts messages
  bool operator==(const MemberDemand&) const = default;
};

struct CollectiveDemand {
  std::vector<MemberDemand> members;  // in the order of the group
  Bytes busiest_bytes = 0;  // the most that one member must send or receive (in a ring): the abscissa of curves
  bool crosses_nodes = false;
  /// Rounds that wait for one another, by what the slowest of their messages crosses; a group of one has none.
  int intra_steps = 0, inter_steps = 0;
  bool operator==(const CollectiveDemand&) const = default;
};

/// Bytes that member i (position in the group) sends to member j.
using PairBytes = std::function<Bytes(int from, int to)>;

/// all_to_all: the pair matrix as it is. group: [n] ranks.
CollectiveDemand all_to_all_demand(const std::vector<int>& group, const PairBytes& pair_bytes, const Cluster& cluster);

/// Ring algorithms (nccl-tests PERFORMANCE.md): all_reduce moves 2 S (n-1)/n per member, all_gather and reduce_scatter
/// S (n-1) with S the contribution (all_gather) or the slice (reduce_scatter) of one member. Each node's share leaves
/// it once, spread over its members.
/// A part of the data goes round once per phase, so it crosses at most as many node borders as there are nodes.
CollectiveDemand ring_demand(Op op, const std::vector<int>& group, Bytes bytes, const Cluster& cluster);

/// log2 algorithms, rounds inside nodes first: all_reduce by a double binary tree (Sanders et al. 2009; NCCL 2.4),
/// which moves 2 S per member; all_gather and reduce_scatter by parallel aggregated trees (PAT, arXiv 2506.20252;
/// NCCL 2.23), which move the ring's bytes.
CollectiveDemand tree_demand(Op op, const std::vector<int>& group, Bytes bytes, const Cluster& cluster);

/// The ring or the tree, whichever is the less by alpha_beta_seconds, as libraries choose.
CollectiveDemand reduction_demand(Op op, const std::vector<int>& group, Bytes bytes, const Cluster& cluster);

/// The demand of a task of the graph for the group that `rank` belongs to. `counts` is needed for all_to_alls
/// whose rows routing decides only: those of the expert-parallel group of `rank`; `rows` for reductions of windows.
CollectiveDemand demand_of(const TaskGraph& graph, const Task& task, int rank, const SlotCounts* counts,
                           const Cluster& cluster, int64_t rows = 0);

/// The part of the price in which no port takes part: intra_steps at the latency of the intra-node port, inter_steps at
/// that of a card, plus the uplink's where bytes leave their rail.
Seconds latency_seconds(const CollectiveDemand& demand, const Cluster& cluster);

/// alpha-beta price without contention from other tasks: latency_seconds + the slowest port's
/// messages sent * message_s + bytes / bandwidth.
/// Ports are the intra-node port of each member, each network card (which members of a node may share) and each rail's
/// uplink.
Seconds alpha_beta_seconds(const CollectiveDemand& demand, const Cluster& cluster);

}  // namespace moesaic
