#include <gtest/gtest.h>

#include "core/graph/operands.h"
#include "core/graph/routing_binding.h"
#include "core/operators/row_movers.h"
#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"
#include "tests/core/technique/exchange_steps.h"

namespace moesaic {
namespace {

using testing::steps_of, testing::ExchangeStep, testing::exchanging_plan;

Plan once(int nodes, int per_node, int ep) { return exchanging_plan(nodes, per_node, ep, AllToAllKind::node_limited); }

TEST(NodeLimitedAllToAll, GoesAlongTheRailOnceAndOnInsideTheNode) {
  const std::vector<ExchangeStep> out = {{"places between nodes", "rail", Leg::places_out, Regroup::none, Rows::sent},
                                         {"between nodes", "rail", Leg::once_out, Regroup::none, Rows::once_sent},
                                         {"repeat for choices", "", Leg::none, Regroup::repeat, Rows::fanned},
                                         {"inside the node", "node", Leg::fan_out, Regroup::none, Rows::fanned},
                                         {"order by source", "", Leg::none, Regroup::from_rails, Rows::received}};
  EXPECT_EQ(steps_of(lower(once(2, 2, 4)), "layer 0 / forward / dispatch"), out);
}

// Rows that come back and gradients are each a choice's own.
TEST(NodeLimitedAllToAll, LeavesAllElseFlat) {
  const TaskGraph graph = lower(once(2, 2, 4));
  for (const char* exchange : {"layer 0 / forward / combine", "layer 0 / backward / combine gradient",
                               "layer 0 / backward / dispatch gradient"}) {
    EXPECT_EQ(steps_of(graph, exchange), std::vector<ExchangeStep>{}) << exchange;
    EXPECT_GE(testing::find_task(graph, exchange), 0) << exchange;
  }
}

// Where the forward pass runs again, its rows are tokens' again.
TEST(NodeLimitedAllToAll, SendsOnceWhatIsRecomputed) {
  Plan plan = once(2, 2, 4);
  plan.layout.recompute = Recompute::full;
  const TaskGraph graph = lower(plan);
  int sent_once = 0;
  for (const Task& task : graph.tasks) sent_once += task.leg == Leg::once_out;
  EXPECT_EQ(sent_once, 2);
}

TEST(NodeLimitedAllToAll, PermutesARowPerTokenAndNode) {
  const TaskGraph graph = lower(once(2, 2, 4));
  const Task& permute = graph.tasks[testing::find_task(graph, "layer 0 / forward / permute")];
  EXPECT_EQ(permute.rows, Rows::once_sent);
  EXPECT_EQ(graph.tensors[permute.writes[operands::Permute::send]].rows, Rows::once_sent);
  const Tensor& places = graph.tensors[permute.writes[operands::Permute::places]];
  EXPECT_EQ(places.rows, Rows::sent);
  EXPECT_EQ(places.dtype, DType::i32);
  EXPECT_EQ(places.row_elements, 1);
}

TEST(NodeLimitedAllToAll, LeavesAGroupInsideOneNodeFlat) {
  const TaskGraph graph = lower(once(2, 4, 4));
  EXPECT_EQ(steps_of(graph, "layer 0 / forward / dispatch"), std::vector<ExchangeStep>{});
  EXPECT_GE(testing::find_task(graph, "layer 0 / forward / dispatch"), 0);
}

/// Bytes of rows between nodes of the forward dispatch, over all ranks.
int64_t dispatched_between_nodes(const Plan& plan) {
  const TaskGraph graph = lower(plan);
  const RoutingBinding binding(plan);
  const int per_node = plan.cluster.devices_per_node, ep = plan.layout.ep;
  int64_t bytes = 0;
  for (const Task& task : graph.tasks)
    if (task.op == Op::all_to_all && task.label.starts_with("layer 0 / forward / dispatch"))
      for (int from = 0; from < graph.num_ranks; ++from)
        for (const int to : graph.group(task.communicator, from))
          if (from / per_node != to / per_node)
            bytes +=
                task.bytes_per_row * binding.counts(0, 0, from, 0, 1).leg_rows(task.leg, from % ep, to % ep, per_node);
  return bytes;
}

// Two groups of three nodes of four ranks, 12 experts with 16 rows of each rank: 48 tokens, 4 choices. Flat, two thirds
// of a rank's 192 rows go to other nodes. Once per node, of E_n = 4 of 12 experts a token misses all with C(8, 4) /
// C(12, 4) = 70 / 495: 48 * (1 - 0.1414) = 41.2 for each node. Rows are 32 bytes, places 4.
TEST(NodeLimitedAllToAll, BytesBetweenNodesFallByWhatIsNotSentTwice) {
  Plan plan = once(6, 4, 12);
  plan.model.top_k = 4;
  plan.workload.sequence_length = 48;
  EXPECT_EQ(dispatched_between_nodes(plan), 24 * (32 * 2 * 41 + 4 * 128));
  plan.dispatch.all_to_all = AllToAllKind::flat;
  EXPECT_EQ(dispatched_between_nodes(plan), 24 * 32 * 128);
}

}  // namespace
}  // namespace moesaic
