#include "experiments/laboratory/exchange_plan.h"

#include <gtest/gtest.h>

#include "core/technique/lower.h"

namespace moesaic::experiments {
namespace {

Cluster cluster_of(int nodes, int devices_per_node, int cards) {
  Cluster cluster;
  cluster.num_nodes = nodes;
  cluster.devices_per_node = devices_per_node;
  cluster.nics_per_node = cards;
  return cluster;
}

// Rank 0 starts to regroup at 1 s, rank 1 has its rows at 6 s; the regrouping to slots is not part of the exchange.
TEST(ExchangePlan, TimesTheWholeDispatch) {
  const TaskGraph graph = lower(exchange_plan(cluster_of(2, 2, 1), kRowBytes, AllToAllKind::hierarchical_2d));
  Timeline timeline;
  timeline.rows = task_rows(graph);
  for (size_t i = 0; i < timeline.rows.size(); ++i) {
    const std::string& label = timeline.rows[i].label;
    const auto task = TaskIndex(i);
    if (label == "layer 0 / forward / permute") timeline.times.push_back({0, task, 0, 1});
    if (label == "layer 0 / forward / dispatch / order by local rank") timeline.times.push_back({0, task, 1, 2});
    if (label == "layer 0 / forward / dispatch / between nodes") {
      timeline.times.push_back({0, task, 4, 5});
      timeline.times.push_back({1, task, 4, 6});
    }
    if (label == "layer 0 / forward / dispatch regroup") timeline.times.push_back({1, task, 6, 9});
  }
  ASSERT_EQ(timeline.times.size(), 5u);
  EXPECT_EQ(dispatch_seconds(timeline), 5);
}

}  // namespace
}  // namespace moesaic::experiments
