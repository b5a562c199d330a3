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
