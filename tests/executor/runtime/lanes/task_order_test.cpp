#include "executor/runtime/lanes/task_order.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>
#include <vector>

#include "tests/executor/runtime/lanes/idle_backend.h"

namespace moesaic::executor {
namespace {

/// A device that works by itself: its events have passed when the test says so.
class Device final : public testing::IdleBackend {
 public:
  bool runs_inline() const override { return false; }
  Event record(Lane) override { return next_++; }
  bool done(Event event) override { return passed.contains(event); }
  void wait_for(Lane lane, Event event) override { waits.emplace_back(lane, event); }

  std::set<Event> passed;
  std::vector<std::pair<Lane, Event>> waits;

 private:
  Event next_ = 0;
};

/// Tasks 0 and 1 on the compute lane, 2 on copy_in after 0, 3 on the network after 1 and 2.
TaskGraph diamond() {
  TaskGraph graph;
  graph.tasks.resize(4);
  graph.tasks[2].lane = Lane::copy_in;
  graph.tasks[2].dependencies = {0};
  graph.tasks[3].lane = Lane::network;
  graph.tasks[3].dependencies = {1, 2};
  return graph;
}

TEST(TaskOrder, KeepsProgramOrderAndDependencies) {
  const TaskGraph graph = diamond();
  testing::IdleBackend backend;
  TaskOrder order(graph, backend);
  for (int step = 0; step < 2; ++step) {
    order.start_step();
    EXPECT_EQ(order.head(Lane::compute), 0);
    EXPECT_EQ(order.head(Lane::copy_in), 2);
    EXPECT_EQ(order.head(Lane::storage), -1);
    EXPECT_TRUE(order.ready(0));
    EXPECT_FALSE(order.ready(2));
    order.taken(0);
    EXPECT_EQ(order.head(Lane::compute), 1);
    EXPECT_FALSE(order.ready(2));  // taken is not ended
    order.ended(0);
    EXPECT_TRUE(order.ready(2));
    for (TaskIndex task : {1, 2}) {
      EXPECT_FALSE(order.ready(3));
      order.taken(task);
      order.ended(task);
    }
    EXPECT_TRUE(order.ready(3));
    EXPECT_TRUE(order.settled(3));
    EXPECT_FALSE(order.all_ended());
    order.taken(3);
    order.ended(3);
    EXPECT_TRUE(order.all_ended());
  }
}

// Appended tasks let others follow before the device has passed them: another lane of the device waits there, the host
// asks. Task 0's event is 0, task 1's is 1; task 2, which follows on a lane of its own, waits for event 0 alone.
TEST(TaskOrder, MakesLanesOfADeviceWaitForEachOther) {
  const TaskGraph graph = diamond();
  Device device;
  TaskOrder order(graph, device);
  order.start_step();
  for (TaskIndex task : {0, 1}) {
    order.taken(task);
    order.appended(task);
  }
  EXPECT_TRUE(order.ready(2));
  EXPECT_FALSE(order.settled(2));
  order.wait_on_device(2);
  EXPECT_EQ(device.waits, (std::vector<std::pair<Lane, Event>>{{Lane::copy_in, 0}}));
  device.passed = {0};
  EXPECT_TRUE(order.settled(2));
  order.taken(2);
  order.ended(2);
  EXPECT_TRUE(order.ready(3));
  EXPECT_FALSE(order.settled(3));  // event 1 has not passed
  device.passed = {0, 1};
  EXPECT_TRUE(order.settled(3));
}

}  // namespace
}  // namespace moesaic::executor
