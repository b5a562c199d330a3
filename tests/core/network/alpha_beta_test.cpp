#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/network/collective_demand.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

Cluster two_nodes_of_four() {
  Cluster cluster;
  cluster.num_nodes = 2;
  cluster.devices_per_node = 4;
  cluster.intra_node = {100e9, 1e-6};
  cluster.nic = {25e9, 5e-6};
  cluster.nics_per_node = 4;
  return cluster;
}

const std::vector<int> kFirstNode = {0, 1, 2, 3};
const std::vector<int> kBothNodes = {0, 1, 2, 3, 4, 5, 6, 7};

// nccl-tests PERFORMANCE.md: with B = 100e9 B/s, n = 4, without latency, for its "size" of 4e9 bytes:
// AllReduce t = S/B * 2(n-1)/n = 0.06, AllGather and ReduceScatter t = S/B * (n-1)/n = 0.03, AlltoAll t = S/B * (n-1)/n
// = 0.03. "size" is the vector (all_reduce), what all contribute together (all_gather), what one member sends in total
// (all-to-all).
TEST(AlphaBeta, GivesTheFormulasOfNcclTests) {
  Cluster cluster = two_nodes_of_four();
  cluster.intra_node.latency_s = 0;
  const Bytes size = 4'000'000'000;
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(ring_demand(Op::all_reduce, kFirstNode, size, cluster), cluster), 0.06);
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(ring_demand(Op::all_gather, kFirstNode, size / 4, cluster), cluster), 0.03);
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(ring_demand(Op::reduce_scatter, kFirstNode, size / 4, cluster), cluster), 0.03);
  const auto all_to_all = all_to_all_demand(
      kFirstNode, [&](int, int) { return size / 4; }, cluster);
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(all_to_all, cluster), 0.03);
}

TEST(AlphaBeta, TheSlowestPortDecides) {
  // All-to-all of 1e6 per pair: 3e6 / 100e9 = 30 us within the node, 4e6 / 25e9 = 160 us over a card; alpha = 5 us,
  // once.
  const Cluster cluster = two_nodes_of_four();
  const auto demand = all_to_all_demand(
      kBothNodes, [](int, int) { return 1'000'000; }, cluster);
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(demand, cluster), 5e-6 + 160e-6);
}

TEST(AlphaBeta, RingPaysLatencyInEveryRound) {
  // One node: 6 rounds * 1 us + 150e3 / 100e9 = 6e-6 + 1.5e-6.
  const Cluster cluster = two_nodes_of_four();
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(ring_demand(Op::all_reduce, kFirstNode, 100'000, cluster), cluster), 7.5e-6);
}

TEST(AlphaBeta, RoundsPayWhatTheyCross) {
  // 8 ranks in 2 nodes. Of a ring's 7 rounds a part crosses 2 node borders: 5 * 1 us + 2 * 5 us; the tree's: 2 * 1 us +
  // 1
  // * 5 us. 700 bytes inside, 175 over a card: 7 ns.
  const Cluster cluster = two_nodes_of_four();
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(ring_demand(Op::all_gather, kBothNodes, 100, cluster), cluster), 15.007e-6);
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(reduction_demand(Op::all_gather, kBothNodes, 100, cluster), cluster), 7.007e-6);
}

// A reduction of n vectors of S bytes sends 2 S (n-1)/n through some port, whatever the algorithm: 100 MB over 8 ports
// of 50 GB/s is 3.5 ms, and twice the bytes is twice the time of the ports.
TEST(AlphaBeta, NoAllReduceBeatsItsPort) {
  Cluster cluster = two_nodes_of_four();
  cluster.devices_per_node = 8;
  cluster.intra_node = {50e9, 0};
  const std::vector<int> eight = {0, 1, 2, 3, 4, 5, 6, 7};
  const Bytes size = 100'000'000;
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(reduction_demand(Op::all_reduce, eight, size, cluster), cluster), 3.5e-3);
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(ring_demand(Op::all_reduce, eight, size, cluster), cluster), 3.5e-3);
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(tree_demand(Op::all_reduce, eight, size, cluster), cluster), 4e-3);
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(reduction_demand(Op::all_reduce, eight, 2 * size, cluster), cluster), 7e-3);
}

// What a member must send, 2 S (n-1)/n, fits through all that leads out of it at no less; and out of a node of m
// members leaves 2 S (N-1)/N at least, by its cards. 8 members of one node, of 8, of 2 by 4 and of 4 by 2.
TEST(AlphaBeta, NoGroupBeatsTheBoundsOfItsPorts) {
  for (const int nodes : {1, 2, 4, 8}) {
    Cluster cluster = two_nodes_of_four();
    cluster.num_nodes = nodes;
    cluster.devices_per_node = cluster.nics_per_node = 8 / nodes;
    cluster.intra_node = {50e9, 0};
    cluster.nic = {50e9, 0};
    const std::vector<int> eight = {0, 1, 2, 3, 4, 5, 6, 7};
    for (const Bytes size : {Bytes{1'000}, Bytes{100'000'000}, Bytes{200'000'000}}) {
      const double vectors = static_cast<double>(size) / 50e9;
      const Seconds inside = nodes < 8 ? 7.0 / 4 * vectors : 0;
      const Seconds outside = 2.0 * (nodes - 1) / nodes * vectors / cluster.nics_per_node;
      for (const auto& demand :
           {ring_demand(Op::all_reduce, eight, size, cluster), tree_demand(Op::all_reduce, eight, size, cluster),
            reduction_demand(Op::all_reduce, eight, size, cluster)})
        EXPECT_GE(alpha_beta_seconds(demand, cluster), std::max(inside, outside) * (1 - 1e-12)) << nodes << " nodes";
    }
  }
}

// 1 GiB a rank, 8 ranks and 8 cards of 50 GB/s a node: (nodes - 1) / nodes of it leave over the rank's
// card, 10.74, 17.90 and 19.69 ms for 2, 6 and 12 nodes (nccl-tests#130).
TEST(AlphaBeta, UniformAllToAllBetweenNodesIsBoundByItsCards) {
  Cluster cluster = two_nodes_of_four();
  cluster.devices_per_node = cluster.nics_per_node = 8;
  cluster.intra_node = {450e9, 0};
  cluster.nic = {50e9, 0};
  for (const auto& [nodes, milliseconds] : {std::pair(2, 10.737), std::pair(6, 17.896), std::pair(12, 19.685)}) {
    cluster.num_nodes = nodes;
    std::vector<int> group(static_cast<size_t>(8 * nodes));
    std::iota(group.begin(), group.end(), 0);
    const Bytes pair = (Bytes{1} << 30) / (8 * nodes);
    const auto demand = all_to_all_demand(
        group, [&](int, int) { return pair; }, cluster);
    EXPECT_NEAR(alpha_beta_seconds(demand, cluster), milliseconds * 1e-3, 1e-6) << nodes << " nodes";
  }
}

// Counts of 256 experts from each of 128 ranks in 16 nodes, 4 bytes each, by trees: 3 rounds of 3 us inside a node and
// 4 of 5 us between, 127 KiB at 300 GB/s inside, an eighth of it over a card at 12.5 GB/s: 9 + 20 + 1.3 us. A ring: 639
// us.
TEST(AlphaBeta, ExchangeOfCountsGrowsWithTheLogarithmOfRanks) {
  Cluster cluster = two_nodes_of_four();
  cluster.num_nodes = 16;
  cluster.devices_per_node = cluster.nics_per_node = 8;
  cluster.intra_node = {300e9, 3e-6};
  cluster.nic = {12.5e9, 5e-6};
  std::vector<int> group(128);
  std::iota(group.begin(), group.end(), 0);
  const auto demand = reduction_demand(Op::all_gather, group, 1024, cluster);
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(demand, cluster), 29e-6 + 127 * 1024 / 8 / 12.5e9);
}

// 4e6 bytes over a card of 25 GB/s, of which it reaches 80 %: 200 us.
TEST(AlphaBeta, LinksReachTheirShare) {
  Cluster cluster = two_nodes_of_four();
  cluster.nic.efficiency = 0.8;
  const auto demand = all_to_all_demand(
      kBothNodes, [](int, int) { return 1'000'000; }, cluster);
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(demand, cluster), 5e-6 + 200e-6);
}

TEST(AlphaBeta, MembersOfANodeShareItsCards) {
  Cluster cluster = two_nodes_of_four();
  const auto demand = all_to_all_demand(
      kBothNodes, [](int, int) { return 1'000'000; }, cluster);
  cluster.nics_per_node = 2;  // two members per card: 8e6 / 25e9
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(demand, cluster), 5e-6 + 320e-6);
  cluster.nics_per_node = 6;  // one and a half per member: 4e6 / 37.5e9
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(demand, cluster), 5e-6 + 4e6 / 37.5e9);
  cluster.nics_per_node = 8;  // two cards per member: 4e6 / 50e9
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(demand, cluster), 5e-6 + 80e-6);
}

TEST(AlphaBeta, UplinksOfRailsAreShared) {
  Cluster cluster = two_nodes_of_four();
  cluster.rail_optimized = true;
  cluster.spine = {10e9, 2e-6};
  // A rail has one member in each of 2 nodes; each sends 3e6 bytes to other rails: 6e6 / 10e9 = 600 us; alpha = 5 + 2
  // us.
  const auto demand = all_to_all_demand(
      kBothNodes, [](int, int) { return 1'000'000; }, cluster);
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(demand, cluster), 7e-6 + 600e-6);
  cluster.spine = {};  // non-blocking
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(demand, cluster), 5e-6 + 160e-6);
}

TEST(AlphaBeta, MessagesOccupyTheSendingPortOneAfterTheOther) {
  // One node, ring all-reduce: 6 rounds * (1 us + 2 us) + 150e3 / 100e9 = 18 us + 1.5 us.
  Cluster cluster = two_nodes_of_four();
  cluster.intra_node.message_s = 2e-6;
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(ring_demand(Op::all_reduce, kFirstNode, 100'000, cluster), cluster), 19.5e-6);
  // All-to-all of 1e6 per pair: a device sends 3 messages, 1 us + 3 * 2 us + 3e6 / 100e9 = 37 us.
  const auto inside = all_to_all_demand(
      kFirstNode, [](int, int) { return 1'000'000; }, cluster);
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(inside, cluster), 37e-6);
  // Everybody sends 1e6 to device 0: it receives 3e6 without a cost per message, 30 us, the others send in 10 + 2 us.
  const auto gather = all_to_all_demand(
      kFirstNode, [](int, int to) { return to == 0 ? 1'000'000 : 0; }, cluster);
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(gather, cluster), 31e-6);
}

TEST(AlphaBeta, MembersOfANodeShareTheMessagesOfItsCards) {
  Cluster cluster = two_nodes_of_four();
  cluster.nic.message_s = 10e-6;
  // Each member sends 4 messages of 1e6 to the other node: 5 us + 4 * 10 us + 4e6 / 25e9.
  const auto demand = all_to_all_demand(
      kBothNodes, [](int, int) { return 1'000'000; }, cluster);
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(demand, cluster), 5e-6 + 40e-6 + 160e-6);
  cluster.nics_per_node = 2;  // two members per card
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(demand, cluster), 5e-6 + 80e-6 + 320e-6);
  cluster.nics_per_node = 8;  // two cards per member
  EXPECT_DOUBLE_EQ(alpha_beta_seconds(demand, cluster), 5e-6 + 20e-6 + 80e-6);
}

TEST(AlphaBeta, GroupOfOneCostsNothing) {
  const Cluster cluster = two_nodes_of_four();
  EXPECT_EQ(alpha_beta_seconds(ring_demand(Op::all_reduce, {3}, 100'000, cluster), cluster), 0);
}

TEST(AlphaBeta, RefusesALinkThatTheClusterLacks) {
  Cluster cluster = two_nodes_of_four();
  cluster.nic = {};
  const auto demand = ring_demand(Op::all_reduce, kBothNodes, 100'000, cluster);
  EXPECT_THROW(alpha_beta_seconds(demand, cluster), InvariantError);
}

}  // namespace
}  // namespace moesaic
