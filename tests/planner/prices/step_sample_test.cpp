#include "planner/prices/step_sample.h"

#include <gtest/gtest.h>

#include <set>

#include "core/plan/field_table.h"
#include "planner/layout/layout_space.h"
#include "planner/prices/probes.h"
#include "tests/planner/random_plans.h"

namespace moesaic::planner {
namespace {

// Groups of fused parameters, stages of tensor parallelism, replicas: whatever a layout changes of the tasks is part of
// its structure, so that steps of all sizes have the same ones.
TEST(StepSample, CanBeMadeOfEveryLayout) {
  std::mt19937 random(1);
  for (int model = 0; model < 2; ++model) {
    Plan plan = testing::RandomPlans().documents(random);
    Problem problem;
    problem.model = plan.model, problem.cluster = plan.cluster, problem.profile = plan.profile;
    problem.workload = plan.workload;
    problem.workload.phase = WorkloadPhase::training;
    problem.workload.global_batch = 64, problem.workload.sequence_length = 512;
    problem.fixed.set(&Layout::micro_batches, 1);
    problem.fixed.set(&Layout::recompute, Recompute::full);
    problem.fixed.set(&Prefetch::dense, 1);
    std::set<StructureKey> seen;
    for_each_layout(problem, layout_values(problem), [&](const Plan& layout) {
      if (seen.insert(structure_key(layout)).second) {
        EXPECT_NO_THROW(StepSample{layout}) << plan.name << ", " << describe(layout.layout);
      }
      return true;
    });
    EXPECT_GT(seen.size(), 100u);
  }
}

// Two layers of each class, dense weights fetched two layers ahead ask for two more.
TEST(StepSample, HasAsManyLayersAsItsLanesNeed) {
  std::mt19937 random(1);
  Plan plan = testing::RandomPlans().documents(random);
  plan.workload.phase = WorkloadPhase::training;
  plan.workload.global_batch = 16;
  plan.layout.ranks = 4;
  const auto classes = static_cast<size_t>(layer_classes(plan.model).count);
  EXPECT_EQ(StepSample(plan).layers().size(), 2 * classes);
  plan.layout.zero = 3, plan.prefetch.dense = 2;
  EXPECT_EQ(StepSample(plan).layers().size(), std::min<size_t>(6, 4 * classes));
}

/// 4 against 6 - x / ep: at ep 1, where the second is least, 4 with x = 2 and 3 with x = 3.
TEST(MemoryForm, IsAtMostWhatIsMoreAtAllSizes) {
  MemoryForm four, with_two{{6, 0, -2, 0}, {}}, with_three{{6, 0, -3, 0}, {}};
  four.fixed.constant = 4;
  EXPECT_TRUE(four.is_at_most(with_two));
  EXPECT_FALSE(four.is_at_most(with_three));
  EXPECT_TRUE(four.is_at_most(four));
  with_two.per_row[static_cast<size_t>(Rows::received)] = 1;
  EXPECT_TRUE(four.is_at_most(with_two));
  EXPECT_FALSE(with_two.is_at_most(four));
}

}  // namespace
}  // namespace moesaic::planner
