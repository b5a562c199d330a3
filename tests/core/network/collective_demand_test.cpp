#include "core/network/collective_demand.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"

namespace moesaic {
namespace {

Cluster cluster_of(int nodes, int devices) {
  Cluster cluster;
  cluster.num_nodes = nodes;
  cluster.devices_per_node = devices;
  cluster.intra_node = {100e9, 1e-6};
  cluster.nic = {25e9, 5e-6};
  cluster.nics_per_node = devices;
  return cluster;
}

std::vector<int> ranks_up_to(int n) {
  std::vector<int> ranks;
  for (int rank = 0; rank < n; ++rank) ranks.push_back(rank);
  return ranks;
}

MemberDemand member(int rank, Bytes intra_out, Bytes intra_in, Bytes inter_out, Bytes inter_in, int64_t intra_messages,
                    int64_t inter_messages) {
  return {rank, intra_out, intra_in, inter_out, inter_in, 0, 0, intra_messages, inter_messages};
}

TEST(AllToAllDemand, BalancedOverTwoNodesOfTwo) {
  // 10 bytes per pair: each member has one neighbour in its node and two elsewhere; the 10 bytes to itself cross no
  // port.
  const auto demand = all_to_all_demand(
      {0, 1, 2, 3}, [](int, int) { return 10; }, cluster_of(2, 2));
  EXPECT_EQ(demand, (CollectiveDemand{{member(0, 10, 10, 20, 20, 1, 2), member(1, 10, 10, 20, 20, 1, 2),
                                       member(2, 10, 10, 20, 20, 1, 2), member(3, 10, 10, 20, 20, 1, 2)},
                                      30,
                                      true,
                                      0,
                                      1}));
}

TEST(AllToAllDemand, SkewedOverTwoNodesOfTwo) {
  // Sender by row, receiver by column. Rank 0 receives 1 + 2 + 3 = 6, the most; member 3 sends one message only.
  const std::vector<std::vector<Bytes>> bytes = {{9, 0, 1, 0}, {1, 9, 0, 2}, {2, 1, 9, 0}, {3, 0, 0, 9}};
  const auto pair = [&](int from, int to) { return bytes[static_cast<size_t>(from)][static_cast<size_t>(to)]; };
  const auto demand = all_to_all_demand({0, 1, 2, 3}, pair, cluster_of(2, 2));
  EXPECT_EQ(demand, (CollectiveDemand{{member(0, 0, 1, 1, 5, 0, 1), member(1, 1, 0, 2, 1, 1, 1),
                                       member(2, 0, 0, 3, 1, 0, 2), member(3, 0, 0, 3, 2, 0, 1)},
                                      6,
                                      true,
                                      0,
                                      1}));
}

TEST(AllToAllDemand, OtherLocalRanksCrossTheSpineOfRails) {
  Cluster cluster = cluster_of(2, 2);
  cluster.rail_optimized = true;
  // Of the two members elsewhere one has the same local rank, the other does not: half of 20 bytes leave the rail.
  for (const MemberDemand& m : all_to_all_demand(
                                   {0, 1, 2, 3}, [](int, int) { return 10; }, cluster)
                                   .members)
    EXPECT_EQ(m, (MemberDemand{m.rank, 10, 10, 20, 20, 10, 10, 1, 2}));
}

TEST(AllToAllDemand, LinksCutMessagesIntoPackets) {
  // 10 bytes per pair: 10 / 4 is 3 packets to the neighbour, 10 / 5 is 2 to each of the two members elsewhere.
  Cluster cluster = cluster_of(2, 2);
  cluster.intra_node.packet_bytes = 4;
  cluster.nic.packet_bytes = 5;
  for (const MemberDemand& m : all_to_all_demand(
                                   {0, 1, 2, 3}, [](int, int) { return 10; }, cluster)
                                   .members)
    EXPECT_EQ(m, member(m.rank, 10, 10, 20, 20, 3, 4));
}

TEST(RingDemand, LinksCutTheMessageOfARound) {
  // all_reduce of S = 100 over n = 4: 150 bytes in 6 rounds of 25, which are 3 packets of 10.
  Cluster cluster = cluster_of(1, 4);
  cluster.intra_node.packet_bytes = 10;
  for (const MemberDemand& m : ring_demand(Op::all_reduce, {0, 1, 2, 3}, 100, cluster).members)
    EXPECT_EQ(m, member(m.rank, 150, 150, 0, 0, 18, 0));
}

TEST(AllToAllDemand, GroupOfOneMovesNothing) {
  EXPECT_EQ(all_to_all_demand(
                {2}, [](int, int) { return 10; }, cluster_of(2, 2)),
            (CollectiveDemand{{member(2, 0, 0, 0, 0, 0, 0)}, 0, false, 0, 0}));
}

TEST(RingDemand, OneNodeUsesIntraPortsOnly) {
  // all_reduce of S = 100 over n = 4: 2 * 100 * 3 / 4 = 150 bytes in 2 * 3 = 6 rounds.
  const auto demand = ring_demand(Op::all_reduce, {0, 1, 2, 3}, 100, cluster_of(1, 4));
  EXPECT_EQ(demand.busiest_bytes, 150);
  EXPECT_EQ(demand.intra_steps, 6);
  EXPECT_FALSE(demand.crosses_nodes);
  for (const MemberDemand& m : demand.members) EXPECT_EQ(m, member(m.rank, 150, 150, 0, 0, 6, 0));
}

TEST(RingDemand, OneMemberPerNodeUsesCardsOnly) {
  // all_gather of S = 100 over n = 3: 100 * 2 = 200 bytes in 2 rounds, both between nodes.
  const auto demand = ring_demand(Op::all_gather, {1, 3, 5}, 100, cluster_of(3, 2));
  EXPECT_EQ(demand, (CollectiveDemand{{member(1, 0, 0, 200, 200, 0, 2), member(3, 0, 0, 200, 200, 0, 2),
                                       member(5, 0, 0, 200, 200, 0, 2)},
                                      200,
                                      true,
                                      0,
                                      2}));
}

TEST(RingDemand, NodeTrafficLeavesOnceSpreadOverItsMembers) {
  // all_reduce of S = 100 over n = 6 in 2 nodes: V = ceil(2 * 100 * 5 / 6) = ceil(166.67) = 167 over each intra-node
  // port; each node's 167 leave it over 3 cards: 55 + 56 + 56. Of 5 rounds of a phase 2 cross a node's border.
  const auto demand = ring_demand(Op::all_reduce, ranks_up_to(6), 100, cluster_of(2, 3));
  EXPECT_EQ(demand, (CollectiveDemand{{member(0, 167, 167, 55, 55, 10, 10), member(1, 167, 167, 56, 56, 10, 10),
                                       member(2, 167, 167, 56, 56, 10, 10), member(3, 167, 167, 55, 55, 10, 10),
                                       member(4, 167, 167, 56, 56, 10, 10), member(5, 167, 167, 56, 56, 10, 10)},
                                      167,
                                      true,
                                      6,
                                      4}));
}

TEST(RingDemand, RailsCarryAlignedRingsAndTheSpineTheOthers) {
  Cluster cluster = cluster_of(2, 2);
  cluster.rail_optimized = true;
  for (const MemberDemand& m : ring_demand(Op::reduce_scatter, ranks_up_to(4), 100, cluster).members)
    EXPECT_EQ(m, member(m.rank, 300, 300, 150, 150, 3, 3));
  // Local rank 0 of node 0 with local rank 1 of node 1: S (n-1) = 100 bytes, all of them leave the rail.
  for (const MemberDemand& m : ring_demand(Op::reduce_scatter, {0, 3}, 100, cluster).members)
    EXPECT_EQ(m, (MemberDemand{m.rank, 0, 0, 100, 100, 100, 100, 0, 1}));
}

TEST(RingDemand, RefusesAnotherOperator) {
  EXPECT_THROW(ring_demand(Op::all_to_all, {0, 1}, 100, cluster_of(1, 2)), InvariantError);
}

TEST(TreeDemand, ReachesMembersInLogarithmicRounds) {
  // all_reduce of S = 100 over n = 6 in 2 nodes of 3: up and down, 2 rounds in a node (ceil log2 3) and 1 between; each
  // member passes 2 S = 200, 66 + 67 + 67 of them leave a node. Curves are read at the ring's 167.
  const auto demand = tree_demand(Op::all_reduce, ranks_up_to(6), 100, cluster_of(2, 3));
  EXPECT_EQ(demand, (CollectiveDemand{{member(0, 200, 200, 66, 66, 6, 6), member(1, 200, 200, 67, 67, 6, 6),
                                       member(2, 200, 200, 67, 67, 6, 6), member(3, 200, 200, 66, 66, 6, 6),
                                       member(4, 200, 200, 67, 67, 6, 6), member(5, 200, 200, 67, 67, 6, 6)},
                                      167,
                                      true,
                                      4,
                                      2}));
  // all_gather: one phase, the ring's bytes. 128 ranks in 16 nodes: 3 rounds inside, 4 between.
  const auto gather = tree_demand(Op::all_gather, ranks_up_to(128), 100, cluster_of(16, 8));
  EXPECT_EQ(gather.intra_steps, 3);
  EXPECT_EQ(gather.inter_steps, 4);
  EXPECT_EQ(gather.members.front().intra_out, 12'700);
}

TEST(ReductionDemand, IsTheTreeWhereLatencyDecidesAndTheRingWhereBytesDo) {
  // 8 ranks, 1 us, 100 GB/s. Ring 14 us + 1.75 S / B, tree 6 us + 2 S / B: equal at 8 us = S / 4 B, S = 3.2 MB.
  const Cluster cluster = cluster_of(1, 8);
  const auto chosen = [&](Bytes bytes) { return reduction_demand(Op::all_reduce, ranks_up_to(8), bytes, cluster); };
  EXPECT_EQ(chosen(3'100'000), tree_demand(Op::all_reduce, ranks_up_to(8), 3'100'000, cluster));
  EXPECT_EQ(chosen(3'300'000), ring_demand(Op::all_reduce, ranks_up_to(8), 3'300'000, cluster));
}

}  // namespace
}  // namespace moesaic
