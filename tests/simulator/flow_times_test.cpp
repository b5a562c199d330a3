// flow_times against SimGrid with one communication per flow.
#include "core/network/flow_times.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>

#include "core/network/pair_flows.h"
#include "core/schema/routing.h"
#include "tests/simulator/per_flow_oracle.h"

namespace moesaic::simulator {
namespace {

/// Up to 16 ranks on nodes of 1 to 8. Of what lies between two ranks (device out, card out, spine, card in, device in)
/// a flow passes 1 to 3 ports: the same kinds for all flows, or others for each.
class RandomPlatform {
 public:
  explicit RandomPlatform(uint64_t seed) : random_(seed) {
    ranks_ = within(2, 16);
    devices_per_node_ = within(1, 8);
    for (int i = 0; i < 4 * ranks_ + 1; ++i) flows_.add_port(std::round(std::pow(10, 9 + 2 * uniform())));
  }

  PortFlows all_to_all() {
    const bool dense = within(0, 1) == 1, alike = within(0, 1) == 1;
    const double skew = 3 * uniform();
    const auto kinds = draw_kinds();
    for (int from = 0; from < ranks_; ++from)
      for (int to = 0; to < ranks_; ++to) {
        if (from == to || (!dense && uniform() < 0.7)) continue;
        const double bytes = std::round(1e4 + 1e7 * std::pow(uniform(), skew));
        flows_.add_flow(bytes, ports_between(from, to, alike ? kinds : draw_kinds()));
      }
    return flows_;
  }

 private:
  using Kinds = std::array<bool, 5>;

  int within(int least, int most) { return std::uniform_int_distribution(least, most)(random_); }
  double uniform() { return std::uniform_real_distribution()(random_); }

  Kinds draw_kinds() {
    Kinds kinds = {};
    for (int drawn = within(1, 3); drawn > 0; --drawn) kinds[static_cast<size_t>(within(0, 4))] = true;
    return kinds;
  }

  std::vector<int> ports_between(int from, int to, const Kinds& kinds) const {
    const auto card_of = [&](int rank) { return rank / devices_per_node_; };
    const std::array<int, 5> ports = {from, ranks_ + card_of(from), 2 * ranks_, 2 * ranks_ + 1 + card_of(to),
                                      3 * ranks_ + 1 + to};
    std::vector<int> passed;
    for (size_t kind = 0; kind < ports.size(); ++kind)
      if (kinds[kind]) passed.push_back(ports[kind]);
    return passed;
  }

  std::mt19937_64 random_;
  int ranks_ = 0, devices_per_node_ = 0;
  PortFlows flows_;
};

double relative_error(Seconds value, Seconds truth) { return truth > 0 ? std::abs(value / truth - 1) : value; }

double worst_error(const std::vector<Seconds>& values, const std::vector<Seconds>& truth) {
  double worst = 0;
  for (size_t i = 0; i < truth.size(); ++i) worst = std::max(worst, relative_error(values[i], truth[i]));
  return worst;
}

/// 1,000 platforms, in batches of one engine each.
constexpr int kBatches = 20, kPerBatch = 50;

std::vector<PortFlows> random_networks(int batch) {
  std::vector<PortFlows> networks;
  for (int i = 0; i < kPerBatch; ++i)
    networks.push_back(RandomPlatform(static_cast<uint64_t>(batch * kPerBatch + i)).all_to_all());
  return networks;
}

TEST(FlowTimes, ExactIsSimGridsOnRandomPlatforms) {
  for (int batch = 0; batch < kBatches; ++batch) {
    const std::vector<PortFlows> networks = random_networks(batch);
    const std::vector<std::vector<Seconds>> truth = per_flow_seconds(networks);
    for (size_t i = 0; i < networks.size(); ++i)
      EXPECT_LE(worst_error(flow_times(networks[i]).seconds, truth[i]), 1e-6)
          << "batch " << batch << ", platform " << i;
  }
}

TEST(FlowTimes, PortsAsAWholeAreWithinTheNumberOfAFlowsPorts) {
  // Any flow has a full port at any time, so the last one ends by the sum of its ports' loads: twice the busiest one's
  // where flows pass two.
  for (int batch = 0; batch < kBatches; ++batch)
    for (const PortFlows& network : random_networks(batch)) {
      const Seconds ports = network.busiest_port_seconds(), flows = flow_times(network).makespan;
      EXPECT_LE(ports, flows * (1 + 1e-9));
      EXPECT_LE(flows, network.most_ports_of_a_flow() * ports * (1 + 1e-9));
    }
}

TEST(FlowTimes, ToleranceBoundsTheTimeOfEveryFlow) {
  for (int batch = 0; batch < kBatches; ++batch)
    for (const PortFlows& network : random_networks(batch)) {
      const FlowTimes exact = flow_times(network);
      for (double tolerance : {0.05, 0.1, 0.2}) {
        const FlowTimes lazy = flow_times(network, tolerance);
        EXPECT_LE(lazy.shares, exact.shares);
        EXPECT_LE(worst_error(lazy.seconds, exact.seconds), tolerance);
        EXPECT_LE(relative_error(lazy.makespan, exact.makespan), 0.02);
        EXPECT_GE(lazy.makespan, network.busiest_port_seconds() * (1 - 1e-9));
      }
    }
}

/// 65,536 rows of 14,336 bytes from each rank to experts of Zipf popularity, one on each of 64 ranks; devices of 450
/// GB/s, cards of 50 GB/s.
PortFlows skewed_all_to_all(double zipf, int devices_per_node) {
  Cluster cluster;
  cluster.num_nodes = 64 / devices_per_node;
  cluster.devices_per_node = cluster.nics_per_node = devices_per_node;
  cluster.intra_node = {450e9, 0};
  cluster.nic = {50e9, 0};
  RoutingDocument document;
  document.generator = {.zipf_exponent = zipf, .seed = 1, .sampled = true};
  const Routing routing(document, 1, 64, 64, 65'536);
  std::vector<int> group(64);
  std::iota(group.begin(), group.end(), 0);
  return all_to_all_flows(
      group, [&](int from, int to) { return routing.counts(0, 0, from)[static_cast<size_t>(to)] * Bytes{14'336}; },
      cluster);
}

TEST(FlowTimes, SkewedAllToAllOf64RanksEndsAsInSimGrid) {
  const std::vector<PortFlows> networks = {skewed_all_to_all(0.8, 1), skewed_all_to_all(1.2, 1),
                                           skewed_all_to_all(0.8, 8), skewed_all_to_all(1.2, 8)};
  const std::vector<std::vector<Seconds>> truth = per_flow_seconds(networks);
  for (size_t i = 0; i < networks.size(); ++i) {
    const Seconds makespan = *std::max_element(truth[i].begin(), truth[i].end());
    EXPECT_EQ(networks[i].num_flows(), 64 * 63) << i;
    EXPECT_LE(worst_error(flow_times(networks[i]).seconds, truth[i]), 1e-6) << i;
    const FlowTimes lazy = flow_times(networks[i], 0.2);
    EXPECT_LE(relative_error(lazy.makespan, makespan), 1e-6) << i;
    EXPECT_LE(worst_error(lazy.seconds, truth[i]), 0.2) << i;
    double sum = 0;
    for (size_t flow = 0; flow < truth[i].size(); ++flow) sum += relative_error(lazy.seconds[flow], truth[i][flow]);
    EXPECT_LE(sum / networks[i].num_flows(), 0.02) << i;
  }
}

}  // namespace
}  // namespace moesaic::simulator
