// Times of single collectives against two oracles: the alpha-beta formula, and SimGrid with one flow per pair of ranks.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <tuple>

#include "core/graph/routing_binding.h"
#include "core/network/collective_demand.h"
#include "tests/simulator/hand_made_graph.h"
#include "tests/simulator/per_flow_oracle.h"

namespace moesaic::simulator {
namespace {

constexpr Bytes kBytesPerRow = 1000;

/// One expert per rank and the rows that each source sends to each: [ranks, ranks]. Every source sends as many in
/// all.
using Matrix = std::vector<int64_t>;

Matrix balanced(int ranks) { return Matrix(static_cast<size_t>(ranks) * ranks, 100); }

/// Each source draws 100 rows per rank with Zipf popularity. With `affinity` every source prefers experts of its own.
Matrix skewed(int ranks, unsigned seed, bool affinity) {
  std::mt19937 random(seed);
  std::vector<double> weights;
  for (int expert = 0; expert < ranks; ++expert) weights.push_back(1.0 / (expert + 1));
  std::discrete_distribution<int> popularity(weights.begin(), weights.end());
  std::vector<int> expert_of(static_cast<size_t>(ranks));
  std::iota(expert_of.begin(), expert_of.end(), 0);
  Matrix rows(static_cast<size_t>(ranks) * ranks, 0);
  for (int source = 0; source < ranks; ++source) {
    if (affinity) std::shuffle(expert_of.begin(), expert_of.end(), random);
    for (int i = 0; i < 100 * ranks; ++i)
      ++rows[static_cast<size_t>(source) * ranks + expert_of[static_cast<size_t>(popularity(random))]];
  }
  return rows;
}

/// `plan` with that routing, and a graph of one all-to-all over all of its ranks.
TaskGraph all_to_all_graph(Plan& plan, const Matrix& rows) {
  const int ranks = plan.layout.ranks;
  plan.layout.ep = ranks;
  plan.model.num_layers = 1;
  plan.model.num_experts = ranks;
  plan.model.top_k = 1;
  plan.model.moe_layers = {true};
  plan.routing.counts = rows;
  plan.routing.num_iterations = plan.routing.num_moe_layers = 1;
  plan.routing.num_sources = plan.routing.num_experts = ranks;
  TaskGraph graph = empty_graph(plan);
  graph.tokens_per_rank = std::accumulate(rows.begin(), rows.begin() + ranks, int64_t{0});
  plan.workload.global_batch = ranks;
  plan.workload.sequence_length = graph.tokens_per_rank;
  graph.placement = {contiguous_placement(ranks, ranks)};
  const TaskIndex index = add_all_gather(graph, "dispatch", 0, 0);
  Task& task = graph.tasks[index];
  task.op = Op::all_to_all;
  task.moe_layer = 0;
  task.rows = Rows::sent;
  task.leg = Leg::dispatch;
  task.bytes_per_row = kBytesPerRow;
  return graph;
}

Seconds simulated(const TaskGraph& graph, const Plan& plan) {
  return simulate_in_child(graph, plan).evaluation.prediction.step_seconds;
}

TEST(CollectiveTime, UncontendedIsAlphaBeta) {
  // Two nodes of four devices with two NICs each, rails and a narrow spine: every kind of port takes part. A message
  // costs so much that the slowest port is a card, or a card with eight times the messages of a flow.
  for (const auto& [spine, message_s] : {std::pair(0.0, 0.0), std::pair(0.5e9, 0.0), std::pair(8e9, 0.0),
                                         std::pair(8e9, 1e-4), std::pair(0.5e9, 1e-5), std::pair(0.0, 1e-3)}) {
    Plan plan = small_plan(2, 4);
    plan.cluster.nics_per_node = 2;
    plan.cluster.intra_node.latency_s = 3e-6;
    plan.cluster.nic.latency_s = 5e-6;
    plan.cluster.nic.message_s = message_s;
    plan.cluster.intra_node.message_s = message_s / 2;
    plan.cluster.nic.packet_bytes = 100'000;
    plan.cluster.spine = {spine, 2e-6};
    plan.cluster.rail_optimized = true;
    const TaskGraph graph = all_to_all_graph(plan, skewed(8, 1, false));
    const RoutingBinding binding(plan);
    const CollectiveDemand demand = demand_of(graph, graph.tasks[0], 0, &binding.counts(0, 0, 0, 0, 1), plan.cluster);
    const Seconds expected = alpha_beta_seconds(demand, plan.cluster);
    EXPECT_NEAR(simulated(graph, plan) / expected, 1, 1e-9)
        << "spine " << spine << ", " << message_s << " s per message";
  }
}

TEST(CollectiveTime, UncontendedAllGatherIsAlphaBeta) {
  // all_gather of 1 MB over 4 ranks of one node: log2 4 = 2 steps of 3 us, 3 MB at 10 GB/s = 300 us.
  Plan plan = small_plan(1, 4);
  plan.cluster.intra_node.latency_s = 3e-6;
  TaskGraph graph = empty_graph(plan);
  const TaskIndex gather = add_all_gather(graph, "gather", 0, 1'000'000);
  EXPECT_EQ(span_us(simulate_in_child(graph, plan), 2, gather), (std::vector<double>{0, 306}));
  plan.cluster.intra_node.message_s = 5e-6;  // 2 messages one after the other
  EXPECT_EQ(span_us(simulate_in_child(graph, plan), 2, gather), (std::vector<double>{0, 316}));
}

TEST(CollectiveTime, NoAllReduceBeatsItsPort) {
  // 100 MB over 8 ports of 50 GB/s, in one node or one in each of eight: 2 * 7 / 8 * 100e6 / 50e9 = 3.5 ms; twice the
  // bytes, twice that. A reduce_scatter of slices of 12.5 MB is half of it.
  for (const int nodes : {1, 8}) {
    Plan plan = small_plan(nodes, 8 / nodes);
    plan.cluster.intra_node = plan.cluster.nic = {50e9, 0};
    for (const auto& [op, bytes, microseconds] : {std::tuple(Op::all_reduce, 100'000'000, 3500),
                                                  {Op::all_reduce, 200'000'000, 7000},
                                                  {Op::reduce_scatter, 12'500'000, 1750}}) {
      TaskGraph graph = empty_graph(plan);
      const TaskIndex reduce = add_all_gather(graph, "reduce", 0, bytes);
      graph.tasks[reduce].op = op;
      EXPECT_EQ(span_us(simulate_in_child(graph, plan), 2, reduce), (std::vector<double>{0, double(microseconds)}));
    }
  }
}

TEST(CollectiveTime, UniformAllToAllBetweenNodesIsBoundByItsCards) {
  // 1 GiB a rank, 8 ranks and 8 cards of 50 GB/s a node: (nodes - 1) / nodes of it leave over the rank's card. Rows of
  // 1000 bytes leave half a row of a pair at most: 5e-5 of it.
  for (const auto& [nodes, milliseconds] : {std::pair(2, 10.737), std::pair(6, 17.896), std::pair(12, 19.685)}) {
    Plan plan = small_plan(nodes, 8);
    plan.cluster.intra_node = {450e9, 0};
    plan.cluster.nic = {50e9, 0};
    const int ranks = 8 * nodes;
    const int64_t rows = ((Bytes{1} << 30) / ranks + kBytesPerRow / 2) / kBytesPerRow;
    const Matrix equal(static_cast<size_t>(ranks) * ranks, rows);
    EXPECT_NEAR(simulated(all_to_all_graph(plan, equal), plan), milliseconds * 1e-3, 1e-6) << nodes << " nodes";
  }
}

/// Ranks on a non-blocking switch, one flow per pair. With each message goes another flow through the sender's port
/// alone, which takes it message_s.
Seconds per_flow(int ranks, const Matrix& rows, BytesPerSecond bandwidth, Seconds message_s = 0) {
  PortFlows network;
  for (int port = 0; port < 2 * ranks; ++port) network.add_port(bandwidth);  // out of each rank, into each
  for (int from = 0; from < ranks; ++from)
    for (int to = 0; to < ranks; ++to) {
      const int64_t n = rows[static_cast<size_t>(from) * ranks + to];
      if (from == to || n == 0) continue;
      network.add_flow(static_cast<double>(n * kBytesPerRow), std::array{from, ranks + to});
      if (message_s > 0) network.add_flow(message_s * bandwidth, std::array{from});
    }
  const std::vector<Seconds> ends = per_flow_seconds({network}).front();
  return *std::max_element(ends.begin(), ends.end());
}

TEST(CollectiveTime, AggregatedPortsEqualFlowsWhenBalanced) {
  // 100 rows of 1000 bytes to each of 15 others at 1 GB/s: 1.5 ms.
  Plan plan = small_plan(16, 1);
  const TaskGraph graph = all_to_all_graph(plan, balanced(16));
  const Seconds ports = simulated(graph, plan);
  EXPECT_NEAR(ports, 1.5e-3, 1e-9);
  EXPECT_NEAR(ports / per_flow(16, balanced(16), 1e9), 1, 0.01);
  plan.cluster.nic.message_s = 2e-4;  // 15 messages: 3 ms more
  const Seconds with_messages = simulated(graph, plan);
  EXPECT_NEAR(with_messages, 4.5e-3, 1e-9);
  EXPECT_NEAR(with_messages / per_flow(16, balanced(16), 1e9, 2e-4), 1, 0.01);
}

TEST(CollectiveTime, MessagesKeepPortsWithinTwiceOfFlowsWhenSkewed) {
  // A flow to the sink has its sender's port saturated, so the argument below holds for out(i) with its messages.
  for (unsigned seed = 0; seed < 4; ++seed) {
    const Matrix rows = skewed(8, seed, seed >= 2);
    Plan plan = small_plan(8, 1);
    plan.cluster.nic.message_s = 5e-5;
    const Seconds ports = simulated(all_to_all_graph(plan, rows), plan), flows = per_flow(8, rows, 1e9, 5e-5);
    EXPECT_LE(ports, flows * (1 + 1e-6)) << "seed " << seed;
    EXPECT_LE(flows, 2 * ports) << "seed " << seed;
  }
}

TEST(CollectiveTime, AggregatedPortsAreWithinTwiceOfFlowsWhenSkewed) {
  // Ports as a whole are never slower than flows. Never more than twice as fast either: in a max-min share every flow
  // (i, j) has a saturated port at any time, out(i) or in(j), so the last flow ends by load(out(i)) + load(in(j)) <=
  // 2
  // * the slowest port.
  for (unsigned seed = 0; seed < 10; ++seed) {
    const int ranks = seed % 2 == 0 ? 8 : 16;
    const Matrix rows = skewed(ranks, seed, seed >= 2);
    Plan plan = small_plan(ranks, 1);
    const Seconds ports = simulated(all_to_all_graph(plan, rows), plan), flows = per_flow(ranks, rows, 1e9);
    EXPECT_LE(ports, flows * (1 + 1e-6)) << ranks << " ranks, seed " << seed;
    EXPECT_LE(flows, 2 * ports) << ranks << " ranks, seed " << seed;
    RecordProperty("flows_over_ports_seed_" + std::to_string(seed), std::to_string(flows / ports));
  }
}

}  // namespace
}  // namespace moesaic::simulator
