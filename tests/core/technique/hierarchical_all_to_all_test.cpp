#include <gtest/gtest.h>

#include "core/graph/routing_binding.h"
#include "core/technique/lower.h"
#include "tests/core/technique/exchange_steps.h"

namespace moesaic {
namespace {

using testing::steps_of, testing::ExchangeStep, testing::exchanging_plan;

Plan two_phases(int nodes, int per_node, int ep) {
  return exchanging_plan(nodes, per_node, ep, AllToAllKind::hierarchical_2d);
}

TEST(HierarchicalAllToAll, GoesThroughTheNodeAndThenAlongTheRail) {
  const TaskGraph graph = lower(two_phases(2, 2, 4));
  const std::vector<ExchangeStep> out = {{"order by local rank", "", Leg::none, Regroup::to_local_major, Rows::sent},
                                         {"inside the node", "node", Leg::intra_out, Regroup::none, Rows::sent},
                                         {"order by node", "", Leg::none, Regroup::relay_out, Rows::relayed},
                                         {"between nodes", "rail", Leg::inter_out, Regroup::none, Rows::relayed}};
  EXPECT_EQ(steps_of(graph, "layer 0 / forward / dispatch"), out);
  EXPECT_EQ(steps_of(graph, "layer 0 / backward / combine gradient"), out);
}

TEST(HierarchicalAllToAll, ComesBackTheSameWay) {
  const TaskGraph graph = lower(two_phases(2, 2, 4));
  const std::vector<ExchangeStep> back = {
      {"between nodes", "rail", Leg::inter_back, Regroup::none, Rows::received},
      {"order by local rank", "", Leg::none, Regroup::relay_back, Rows::relayed},
      {"inside the node", "node", Leg::intra_back, Regroup::none, Rows::relayed},
      {"order by destination", "", Leg::none, Regroup::from_local_major, Rows::sent}};
  EXPECT_EQ(steps_of(graph, "layer 0 / forward / combine"), back);
  EXPECT_EQ(steps_of(graph, "layer 0 / backward / dispatch gradient"), back);
}

TEST(HierarchicalAllToAll, LeavesAGroupInsideOneNodeFlat) {
  const TaskGraph graph = lower(two_phases(2, 4, 4));
  EXPECT_EQ(steps_of(graph, "layer 0 / forward / dispatch"), std::vector<ExchangeStep>{});
  EXPECT_GE(testing::find_task(graph, "layer 0 / forward / dispatch"), 0);
}

/// Pairs of different nodes between which the exchanges of forward move rows.
int64_t messages_between_nodes(const Plan& plan) {
  const TaskGraph graph = lower(plan);
  const RoutingBinding binding(plan);
  const int per_node = plan.cluster.devices_per_node, ep = plan.layout.ep;
  int64_t messages = 0;
  for (const Task& task : graph.tasks) {
    if (task.op != Op::all_to_all || task.phase != Phase::forward) continue;
    for (int from = 0; from < graph.num_ranks; ++from)
      for (const int to : graph.group(task.communicator, from))
        messages += from / per_node != to / per_node &&
                    binding.counts(0, task.moe_layer, from, 0, 1).leg_rows(task.leg, from % ep, to % ep, per_node) > 0;
  }
  return messages;
}

// Dispatch and combine. Two groups of three nodes of four: flat, every rank has 8 peers elsewhere, 2 * 24 * 8 = 384;
// hierarchical, its 2 peers on the rail, 2 * 24 * 2 = 96.
TEST(HierarchicalAllToAll, MessagesBetweenNodesFallByTheRanksPerNode) {
  Plan plan = two_phases(6, 4, 12);
  EXPECT_EQ(messages_between_nodes(plan), 96);
  plan.dispatch.all_to_all = AllToAllKind::flat;
  EXPECT_EQ(messages_between_nodes(plan), 384);
}

}  // namespace
}  // namespace moesaic
