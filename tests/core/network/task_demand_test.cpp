#include <gtest/gtest.h>

#include "core/network/collective_demand.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

constexpr int kNodes = 2, kPerNode = 3, kEp = kNodes * kPerNode;

Cluster two_nodes_of_three(int nodes) {
  Cluster cluster;
  cluster.num_nodes = nodes;
  cluster.devices_per_node = kPerNode;
  return cluster;
}

/// Two expert-parallel groups of six ranks, their nodes and their rails.
TaskGraph graph_with_families() {
  TaskGraph graph;
  graph.num_ranks = 2 * kEp;
  CommunicatorFamily ep{"ep", {{}, {}}, {}}, node{"node", {{}, {}, {}, {}}, {}},
      rail{"rail", {{}, {}, {}, {}, {}, {}}, {}};
  const auto join = [](CommunicatorFamily& family, int group, int rank) {
    family.groups[group].push_back(rank);
    family.group_of_rank.push_back(group);
  };
  for (int rank = 0; rank < graph.num_ranks; ++rank) {
    join(ep, rank / kEp, rank);
    join(node, rank / kPerNode, rank);
    join(rail, rank / kEp * kPerNode + rank % kPerNode, rank);
  }
  graph.communicators = {ep, node, rail};
  return graph;
}

Task all_to_all(Leg leg, int communicator) {
  Task task;
  task.op = Op::all_to_all;
  task.leg = leg;
  task.communicator = communicator;
  task.bytes_per_row = 8;
  return task;
}

/// One slot per rank; rows differ for every pair: source s sends 10 s + d + 1 rows to rank d.
SlotCounts skewed_counts() {
  SlotCounts counts(kEp, 1);
  for (int s = 0; s < kEp; ++s)
    for (int d = 0; d < kEp; ++d) counts.at(s, d) = 10 * s + d + 1;
  return counts;
}

int64_t messages_between_nodes(const CollectiveDemand& demand) {
  int64_t messages = 0;
  for (const MemberDemand& m : demand.members) messages += m.inter_messages;
  return messages;
}

Bytes bytes_between_nodes(const CollectiveDemand& demand) {
  Bytes bytes = 0;
  for (const MemberDemand& m : demand.members) bytes += m.inter_out;
  return bytes;
}

TEST(TaskDemand, FlatDispatchOfTheSecondGroup) {
  // Rank 6 is position 0 of its group. To its node: rows (2 + 3) * 8 = 40 bytes; elsewhere: (4 + 5 + 6) * 8 = 120
  // bytes. From its node: rows 11 + 21 = 32, 256 bytes; from elsewhere: 31 + 41 + 51 = 123, 984 bytes.
  const TaskGraph graph = graph_with_families();
  const SlotCounts counts = skewed_counts();
  const auto demand = demand_of(graph, all_to_all(Leg::dispatch, 0), 8, &counts, two_nodes_of_three(4));
  EXPECT_EQ(demand.members.front(), (MemberDemand{6, 40, 256, 120, 984, 0, 0, 2, 3}));
  EXPECT_TRUE(demand.crosses_nodes);
}

TEST(TaskDemand, CombineIsDispatchBackwards) {
  const TaskGraph graph = graph_with_families();
  const SlotCounts counts = skewed_counts();
  const auto demand = demand_of(graph, all_to_all(Leg::combine, 0), 8, &counts, two_nodes_of_three(4));
  EXPECT_EQ(demand.members.front(), (MemberDemand{6, 256, 40, 984, 120, 0, 0, 2, 3}));
}

// All rows of the other node for local rank r' travel over the card of local rank r' instead of their sender's card:
// fewer, larger messages, the same bytes between the nodes.
TEST(TaskDemand, HierarchicalLegsSendFewerMessagesAndTheSameBytes) {
  const TaskGraph graph = graph_with_families();
  const SlotCounts counts = skewed_counts();
  const Cluster cluster = two_nodes_of_three(4);
  const auto flat = demand_of(graph, all_to_all(Leg::dispatch, 0), 6, &counts, cluster);
  const int64_t flat_messages = messages_between_nodes(flat);
  EXPECT_EQ(flat_messages, 18);  // 6 senders, 3 ranks elsewhere
  for (const Leg leg : {Leg::inter_out, Leg::inter_back}) {
    int64_t messages = 0;
    Bytes bytes = 0;
    for (int rank = 6; rank < 6 + kPerNode; ++rank) {
      const auto demand = demand_of(graph, all_to_all(leg, 2), rank, &counts, cluster);
      messages += messages_between_nodes(demand);
      bytes += bytes_between_nodes(demand);
    }
    EXPECT_EQ(messages, flat_messages / kPerNode);
    EXPECT_EQ(bytes, bytes_between_nodes(flat));
  }
}

// 64 ranks in 8 nodes. Each source has 64 tokens of 8 experts, two on each of 4 nodes: 8 rows a token, 64 to each node.
// Flat, 7 * 64 of a source's rows leave its node. Once per token and node, 7 * 32 do, along rails, and all 512 are sent
// on inside the nodes (or stay with who fans them out).
TEST(TaskDemand, ATokenWhoseExpertsShareANodeTravelsThereOnce) {
  constexpr int kEightNodes = 8, kRanks = 64, kTokens = 64;
  SlotCounts counts(kRanks, 1);
  std::vector<int64_t> once(static_cast<size_t>(kRanks) * kEightNodes, 0);
  for (int source = 0; source < kRanks; ++source)
    for (int token = 0; token < kTokens; ++token)
      for (int i = 0; i < 4; ++i) {
        const int node = (token + i) % kEightNodes;
        ++once[static_cast<size_t>(source * kEightNodes + node)];
        for (int expert = 0; expert < 2; ++expert) ++counts.at(source, node * 8 + (token / 8 + expert) % 8);
      }
  counts.set_once(once);
  Cluster cluster;
  cluster.num_nodes = cluster.devices_per_node = 8;
  TaskGraph graph;
  graph.num_ranks = kRanks;
  CommunicatorFamily ep{"ep", {{}}, {}}, node{"node", Table<int, std::vector<int>>(8, {}), {}},
      rail{"rail", Table<int, std::vector<int>>(8, {}), {}};
  for (int rank = 0; rank < kRanks; ++rank) {
    ep.groups[0].push_back(rank), ep.group_of_rank.push_back(0);
    node.groups[rank / 8].push_back(rank), node.group_of_rank.push_back(rank / 8);
    rail.groups[rank % 8].push_back(rank), rail.group_of_rank.push_back(rank % 8);
  }
  graph.communicators = {ep, node, rail};
  const auto flat = demand_of(graph, all_to_all(Leg::dispatch, 0), 0, &counts, cluster);
  Bytes once_between_nodes = 0, fanned_out = 0, fanned_between_nodes = 0;
  for (int i = 0; i < 8; ++i) {
    once_between_nodes += bytes_between_nodes(demand_of(graph, all_to_all(Leg::once_out, 2), i, &counts, cluster));
    const auto fan = demand_of(graph, all_to_all(Leg::fan_out, 1), 8 * i, &counts, cluster);
    fanned_between_nodes += bytes_between_nodes(fan);
    for (const MemberDemand& member : fan.members) fanned_out += member.intra_out;
  }
  EXPECT_EQ(bytes_between_nodes(flat), kRanks * 7 * 64 * 8);
  EXPECT_EQ(once_between_nodes, kRanks * 7 * 32 * 8);
  EXPECT_EQ(fanned_between_nodes, 0);
  EXPECT_EQ(fanned_out, kRanks * 512 * 8 * 7 / 8);  // a rail's member keeps the eighth that is its own
}

TEST(TaskDemand, IntraLegsStayInTheNode) {
  // Rank 7 is position 1, source rows 11..16. To local rank 0 of any node: 11 + 14 = 25 rows; to local rank 2: 13 + 16
  // = 29: 54 * 8 bytes. In: position 0 sends rows 2 + 5 = 7 for local rank 1, position 2 sends 22 + 25 = 47: 54 * 8
  // bytes.
  const TaskGraph graph = graph_with_families();
  const SlotCounts counts = skewed_counts();
  const auto demand = demand_of(graph, all_to_all(Leg::intra_out, 1), 7, &counts, two_nodes_of_three(4));
  EXPECT_EQ(demand.members[1], (MemberDemand{7, 432, 432, 0, 0, 0, 0, 2, 0}));
  EXPECT_FALSE(demand.crosses_nodes);
}

TEST(TaskDemand, RingsTakeTheBytesOfTheTask) {
  Task task;
  task.op = Op::all_reduce;
  task.communicator = 2;  // rails: two members in two nodes
  task.bytes = 100;
  const auto demand = demand_of(graph_with_families(), task, 1, nullptr, two_nodes_of_three(4));
  EXPECT_EQ(demand.members,
            (std::vector<MemberDemand>{{1, 0, 0, 100, 100, 0, 0, 0, 2}, {4, 0, 0, 100, 100, 0, 0, 0, 2}}));
}

// Rank 6, local rank 0 of the third node, has 5 tokens, every other rank of its group 7; 8 bytes a row. Out it sends
// columns of their tokens: 2 * 7 * 8 inside the node, 3 * 7 * 8 elsewhere, and gets its own 5 from everybody; back the
// other way round.
TEST(TaskDemand, ColumnsTravelWithTheTokensOfTheirOwner) {
  TaskGraph graph = graph_with_families();
  graph.local_tokens.assign(static_cast<size_t>(graph.num_ranks), 7);
  graph.local_tokens[6] = 5;
  const auto out = demand_of(graph, all_to_all(Leg::columns_out, 0), 8, nullptr, two_nodes_of_three(4));
  EXPECT_EQ(out.members.front(), (MemberDemand{6, 112, 80, 168, 120, 0, 0, 2, 3}));
  const auto back = demand_of(graph, all_to_all(Leg::columns_back, 0), 8, nullptr, two_nodes_of_three(4));
  EXPECT_EQ(back.members.front(), (MemberDemand{6, 80, 112, 120, 168, 0, 0, 2, 3}));
}

TEST(TaskDemand, AllToAllNeedsCounts) {
  EXPECT_THROW(demand_of(graph_with_families(), all_to_all(Leg::dispatch, 0), 0, nullptr, two_nodes_of_three(4)),
               InvariantError);
}

}  // namespace
}  // namespace moesaic
