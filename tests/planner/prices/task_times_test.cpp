#include "planner/prices/task_times.h"

#include <gtest/gtest.h>

#include "core/operators/operator.h"
#include "tests/planner/random_plans.h"

namespace moesaic::planner {
namespace {

// Slots that are active in the mean over layers are no whole number: a quarter more of them, a quarter more to move.
TEST(TaskTimes, MoveTheMeanOfLayersBetweenTiers) {
  std::mt19937 random(1);
  Plan plan = testing::RandomPlans().documents(random);
  plan.workload.phase = WorkloadPhase::training;
  plan.workload.global_batch = 16;
  plan.layout.ranks = plan.layout.ep = 4;
  plan.expert_storage.home = Tier::host;
  const StepSample sample(plan);
  TaskTimes times(plan);
  LayoutRouting routing(plan);
  double& slots = routing.rows.busiest[static_cast<size_t>(Rows::active_slots)];
  slots = 2;
  const std::vector<Seconds> of_two = times.of_all(sample, plan, routing);
  slots = 2.5;
  const std::vector<Seconds> of_more = times.of_all(sample, plan, routing);
  int moved = 0;
  for (size_t i = 0; i < of_two.size(); ++i) {
    if (!is_transfer(sample.graph().tasks[sample.tasks()[i].index].op) || of_two[i] == 0) continue;
    EXPECT_NEAR(of_more[i] / of_two[i], 1.25, 1e-6);
    ++moved;
  }
  EXPECT_GT(moved, 2);
}

}  // namespace
}  // namespace moesaic::planner
