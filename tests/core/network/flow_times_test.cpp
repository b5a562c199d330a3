// Hand-made networks. Random ones against SimGrid: tests/simulator/flow_times_test.cpp.
#include "core/network/flow_times.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>

#include "core/network/max_min.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

TEST(MaxMinRates, ThreeFlowsOverTwoPorts) {
  // A of 10, B of 4 bytes/s; flows AB, A, B. B offers 4 / 2 = 2 and fills first: AB and B get 2. A has 8 left.
  PortFlows network;
  const int a = network.add_port(10), b = network.add_port(4);
  network.add_flow(1, std::array{a, b});
  network.add_flow(1, std::array{a});
  network.add_flow(1, std::array{b});
  MaxMinRates rates(network);
  rates.share(std::array{100.0, 100.0, 100.0}, 0);
  EXPECT_EQ(rates.rates(), (std::vector<double>{2, 8, 2}));
  EXPECT_EQ(rates.used(a), 10);
  EXPECT_EQ(rates.used(b), 4);
  // A step of 2 s in which AB moves its 2 bytes: 1 byte/s, so B gets 3 and A 9.
  rates.share(std::array{2.0, 100.0, 100.0}, 2);
  EXPECT_EQ(rates.rates(), (std::vector<double>{1, 9, 3}));
  ASSERT_EQ(rates.limited().size(), 1u);
  EXPECT_EQ(rates.limited()[0].flow, 0);
  EXPECT_EQ(rates.limited()[0].offer, 2);
  rates.end(0);
  rates.drop_ended();
  rates.share(std::array{100.0, 100.0}, 0);
  EXPECT_EQ(rates.rates(), (std::vector<double>{10, 4}));
}

TEST(MaxMinRates, AFreedFlowMaySlowAnother) {
  // Ports X, Y, Z of 6; flows X, XY, YZ, Y. X offers 3 to two flows, Y 2 to three: XY, YZ and Y get 2, X 4. Without the
  // flow Y: X offers 3, Y 3: XY gets 3, and the flow X has 3 instead of 4.
  PortFlows network;
  const int x = network.add_port(6), y = network.add_port(6), z = network.add_port(6);
  network.add_flow(1, std::array{x});
  network.add_flow(1, std::array{x, y});
  network.add_flow(1, std::array{y, z});
  network.add_flow(1, std::array{y});
  MaxMinRates rates(network);
  const std::array left = {9.0, 9.0, 9.0, 9.0};
  rates.share(left, 0);
  EXPECT_EQ(rates.rates(), (std::vector<double>{4, 2, 2, 2}));
  rates.end(3);
  rates.share(left, 0);
  EXPECT_EQ(rates.rates(), (std::vector<double>{3, 3, 3, 0}));
}

TEST(FlowTimes, RatesChangeAsFlowsEnd) {
  // The network above with 4, 24 and 6 bytes. Rates 2, 8, 2: AB ends at 2 s, leaving 8 and 2. Then A has 10, B 4: B
  // ends 0.5 s later, A 0.8 s later.
  PortFlows network;
  const int a = network.add_port(10), b = network.add_port(4);
  network.add_flow(4, std::array{a, b});
  network.add_flow(24, std::array{a});
  network.add_flow(6, std::array{b});
  const FlowTimes times = flow_times(network);
  EXPECT_EQ(times.seconds, (std::vector<double>{2, 2.8, 2.5}));
  EXPECT_EQ(times.makespan, 2.8);
  EXPECT_EQ(times.shares, 3);
  EXPECT_EQ(network.busiest_port_seconds(), 2.8);
}

TEST(FlowTimes, WhatSharesNoPortIsIndependent) {
  // 10 bytes over 5 bytes/s, twice 3 bytes over 1 byte/s. A share each; the two end together.
  PortFlows network;
  const int a = network.add_port(5), b = network.add_port(1);
  network.add_flow(10, std::array{a});
  network.add_flow(3, std::array{b});
  network.add_flow(3, std::array{b});
  const FlowTimes times = flow_times(network);
  EXPECT_EQ(times.seconds, (std::vector<double>{2, 6, 6}));
  EXPECT_EQ(times.shares, 2);
}

TEST(FlowTimes, StepsLoseNothingOfAPort) {
  // 1, 2, ... 100 bytes through one port of 1 byte/s: the last flow ends after all 5,050, and the k-th after
  // 1 + ... + k + (100 - k) k.
  PortFlows network;
  network.add_port(1);
  for (int k = 1; k <= 100; ++k) network.add_flow(k, std::array{0});
  for (double tolerance : {0.0, 0.05, 0.2}) {
    const FlowTimes times = flow_times(network, tolerance);
    EXPECT_NEAR(times.makespan, 5050, 1e-6);
    for (int k = 1; k <= 100; ++k) {
      const double exact = k * (k + 1) / 2.0 + (100.0 - k) * k;
      EXPECT_NEAR(times.seconds[static_cast<size_t>(k - 1)], exact, (tolerance + 1e-9) * exact) << k;
    }
  }
  EXPECT_EQ(flow_times(network).shares, 100);
  EXPECT_LT(flow_times(network, 0.2).shares, 40);
}

TEST(FlowTimes, EmptyFlowsEndAtOnce) {
  PortFlows network;
  EXPECT_EQ(flow_times(network).makespan, 0);
  network.add_port(2);
  network.add_flow(0, std::array{0});
  network.add_flow(6, std::array{0});
  EXPECT_EQ(flow_times(network).seconds, (std::vector<double>{0, 3}));
}

TEST(FlowTimes, PortsOfAnySizeShareWithoutRest) {
  // A byte/s beside a terabyte/s: 1,000 flows through both get a thousandth of the small one each, the flow through the
  // big one alone the rest.
  PortFlows network;
  const int small = network.add_port(1), big = network.add_port(1e12);
  for (int i = 0; i < 1000; ++i) network.add_flow(1, std::array{small, big});
  network.add_flow(1e12, std::array{big});
  const FlowTimes times = flow_times(network);
  EXPECT_NEAR(times.seconds.front(), 1000, 1e-9);
  EXPECT_NEAR(times.seconds.back(), 1, 1e-9);
}

TEST(FlowTimes, RefusesWhatIsNoNetwork) {
  PortFlows network;
  EXPECT_THROW(network.add_port(0), InvariantError);
  network.add_port(1);
  EXPECT_THROW(network.add_flow(-1, std::array{0}), InvariantError);
  EXPECT_THROW(network.add_flow(1, std::array{1}), InvariantError);
  EXPECT_THROW(network.add_flow(1, std::array{0, 0}), InvariantError);
  EXPECT_THROW(network.add_flow(1, {}), InvariantError);
  EXPECT_THROW(flow_times(network, -0.1), InvariantError);
}

}  // namespace
}  // namespace moesaic
