#include "core/network/pair_flows.h"

#include <gtest/gtest.h>

#include <numeric>

#include "core/network/flow_times.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

/// Two nodes of four, without latency and messages.
Cluster two_nodes_without_latency() {
  Cluster cluster;
  cluster.num_nodes = 2;
  cluster.devices_per_node = 4;
  cluster.intra_node = {100e9, 0};
  cluster.nic = {25e9, 0};
  cluster.nics_per_node = 4;
  return cluster;
}

std::vector<int> ranks(int n) {
  std::vector<int> group(static_cast<size_t>(n));
  std::iota(group.begin(), group.end(), 0);
  return group;
}

TEST(PairFlows, EachPairPassesItsPorts) {
  // 8 * 7 pairs; 8 members with both directions of a device and of a card.
  Cluster cluster = two_nodes_without_latency();
  const auto equal = [](int, int) { return Bytes{1'000'000}; };
  EXPECT_EQ(all_to_all_flows(ranks(8), equal, cluster).num_flows(), 56);
  EXPECT_EQ(all_to_all_flows(ranks(8), equal, cluster).num_ports(), 32);
  cluster.nics_per_node = 2;  // 4 cards
  EXPECT_EQ(all_to_all_flows(ranks(8), equal, cluster).num_ports(), 24);
  cluster.rail_optimized = true;
  cluster.spine = {10e9, 0};  // and 4 rails
  const PortFlows flows = all_to_all_flows(ranks(8), equal, cluster);
  EXPECT_EQ(flows.num_ports(), 32);
  EXPECT_EQ(flows.most_ports_of_a_flow(), 4);
  EXPECT_EQ(flows.ports(0).size(), 2u);  // 0 to 1, in a node
  EXPECT_EQ(flows.ports(3).size(), 2u);  // 0 to 4, of the same rail
  EXPECT_EQ(flows.ports(4).size(), 4u);  // 0 to 5
}

TEST(PairFlows, PortsAreThoseOfAlphaBeta) {
  // Bytes that differ by pair; some pairs are empty.
  const auto skewed = [](int from, int to) { return Bytes{(from * 5 + to * 3) % 7} * (to + 1) * 100'000; };
  for (int cards : {1, 2, 3, 4, 6, 8})
    for (double spine : {0.0, 3e9, 40e9}) {
      Cluster cluster = two_nodes_without_latency();
      cluster.nics_per_node = cards;
      cluster.rail_optimized = true;
      cluster.spine = {spine, 0};
      const PortFlows flows = all_to_all_flows(ranks(8), skewed, cluster);
      const Seconds ports = alpha_beta_seconds(all_to_all_demand(ranks(8), skewed, cluster), cluster);
      EXPECT_DOUBLE_EQ(flows.busiest_port_seconds(), ports) << cards << " cards, spine " << spine;
      EXPECT_GE(flow_times(flows).makespan, ports * (1 - 1e-9));
      EXPECT_LE(flow_times(flows).makespan, 2 * ports);
    }
}

TEST(PairFlows, BalancedPairsTakeThePortsTime) {
  // 1e6 to each of 4 ranks of the other node over 25 GB/s: 160 us; to 3 of the own node over 100 GB/s: 30 us.
  const FlowTimes times = flow_times(all_to_all_flows(
      ranks(8), [](int, int) { return Bytes{1'000'000}; }, two_nodes_without_latency()));
  EXPECT_NEAR(times.makespan, 160e-6, 1e-15);
  EXPECT_NEAR(times.seconds.front(), 30e-6, 1e-15);
}

// 1 GiB a rank, 8 ranks and 8 cards of 50 GB/s a node: (nodes - 1) / nodes of it leave over the rank's card.
TEST(PairFlows, UniformPairsBetweenNodesAreBoundByTheirCards) {
  Cluster cluster = two_nodes_without_latency();
  cluster.devices_per_node = cluster.nics_per_node = 8;
  cluster.intra_node = {450e9, 0};
  cluster.nic = {50e9, 0};
  for (const auto& [nodes, milliseconds] : {std::pair(2, 10.737), std::pair(6, 17.896), std::pair(12, 19.685)}) {
    cluster.num_nodes = nodes;
    const Bytes pair = (Bytes{1} << 30) / (8 * nodes);
    const FlowTimes times = flow_times(all_to_all_flows(
        ranks(8 * nodes), [&](int, int) { return pair; }, cluster));
    EXPECT_NEAR(times.makespan, milliseconds * 1e-3, 1e-6) << nodes << " nodes";
  }
}

TEST(PairFlows, RefusesALinkThatTheClusterLacks) {
  Cluster cluster = two_nodes_without_latency();
  cluster.nic = {};
  EXPECT_THROW(all_to_all_flows(
                   ranks(8), [](int, int) { return Bytes{1}; }, cluster),
               InvariantError);
}

}  // namespace
}  // namespace moesaic
