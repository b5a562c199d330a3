#include "core/timeline/last_arrivals.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"
#include "tests/core/timeline/sample_timeline.h"

namespace moesaic {
namespace {

CommunicatorFamily family(std::initializer_list<std::vector<int>> groups, std::initializer_list<int> group_of_rank) {
  return {"of a test", groups, group_of_rank};
}

/// The graph of pipeline_timeline().
TaskGraph pipeline_graph() {
  TaskGraph graph;
  graph.num_ranks = graph.num_stages = 2;
  graph.communicators = {family({{0, 1}}, {0, 0})};
  for (const TaskRow& row : pipeline_timeline().rows) {
    Task task;
    task.label = row.label, task.op = row.op, task.lane = row.lane, task.phase = row.phase;
    if (row.stage_meeting != StageMeeting::none) task.communicator = 0;
    graph.tasks.push_back(task);
  }
  const auto stages = [&](TaskIndex task, int stage, int other) {
    graph.tasks[task].stage = stage, graph.tasks[task].other_stage = other;
  };
  stages(0, 0, -1), stages(1, 0, 1), stages(2, 1, -1), stages(3, 1, -1), stages(4, 1, 0), stages(5, 0, -1);
  graph.tasks[1].leg = Leg::next_stage, graph.tasks[4].leg = Leg::previous_stage;
  for (int task = 1; task < 6; ++task) graph.tasks[TaskIndex(task)].dependencies = {task - 1};
  graph.tasks[6].dependencies = {3, 5};
  return graph;
}

void expect_arrivals(const Timeline& timeline, const TaskGraph& graph, const std::vector<LastArrival>& expected) {
  const std::vector<LastArrival> found = last_arrivals(timeline, graph);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].producer, expected[i].producer) << i;
    EXPECT_EQ(found[i].peer, expected[i].peer) << i;
  }
}

// stage_waits_test.cpp says what each rank does when. The messages have arrived from their senders (entries 1 and 8);
// rank 1 waits at 12 for rank 0's losses, which come at 14 (entry 4). Layer 1 backward follows its forward pass on the
// compute lane: no arrow.
TEST(LastArrivals, OfAPipeline) {
  expect_arrivals(pipeline_timeline(), pipeline_graph(),
                  {{-1, -1}, {0, -1}, {-1, 8}, {2, -1}, {3, -1}, {-1, 1}, {5, -1}, {-1, -1}, {7, -1}, {7, 4}});
}

// Two groups of two ranks. A sum needs a product (compute) and a fetch (copy_in), whichever ends last. In group {0, 1}
// rank 1 comes later, in {2, 3} both at once. Rank 3's sum has a copy on its own lane behind it as well, the last to
// end: no arrow.
TEST(LastArrivals, OfGroups) {
  TaskGraph graph;
  graph.num_ranks = 4;
  graph.communicators = {family({{0, 1}, {2, 3}}, {0, 0, 1, 1})};
  graph.tasks.resize(4);
  graph.tasks[0].lane = Lane::compute, graph.tasks[1].lane = Lane::copy_in;
  graph.tasks[2].lane = graph.tasks[3].lane = Lane::network;
  graph.tasks[3].communicator = 0;
  graph.tasks[3].dependencies = {0, 1, 2};
  Timeline timeline;
  timeline.num_ranks = 4;
  timeline.rows = task_rows(graph);
  timeline.times = {{0, 0, 0, 2}, {0, 1, 0, 1}, {0, 3, 2, 9}, {1, 0, 0, 2}, {1, 1, 0, 3}, {1, 3, 3, 9},
                    {2, 0, 0, 4}, {2, 3, 5, 9}, {3, 0, 0, 1}, {3, 2, 1, 5}, {3, 3, 5, 9}};
  expect_arrivals(
      timeline, graph,
      {{-1, -1}, {-1, -1}, {0, 5}, {-1, -1}, {-1, -1}, {4, -1}, {-1, -1}, {6, -1}, {-1, -1}, {-1, -1}, {-1, -1}});
}

TEST(LastArrivals, RefuseAnotherPlansGraph) {
  EXPECT_THROW(last_arrivals(sample_timeline(), pipeline_graph()), InvariantError);
}

}  // namespace
}  // namespace moesaic
