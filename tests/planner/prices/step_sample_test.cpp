#include "planner/prices/step_sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/plan/field_table.h"
#include "planner/layout/layout_space.h"
#include "planner/prices/probes.h"
#include "tests/planner/random_plans.h"

namespace moesaic::planner {
namespace {

/// Of each other lane the last task that must end, sums of gradients apart: who waits for these has waited for all.
void expect_awaits_enough(const StepSample& sample) {
  for (const SampleTask& task : sample.tasks()) {
    for (const int before : task.after) {
      const SampleTask& other = sample.tasks()[static_cast<size_t>(before)];
      const bool is_covered = std::any_of(task.awaited.begin(), task.awaited.end(), [&](int number) {
        const SampleTask& awaited = sample.tasks()[static_cast<size_t>(number)];
        const bool both_sum = (awaited.part == Part::reduction) == (other.part == Part::reduction);
        return number >= before && awaited.lane == other.lane && both_sum;
      });
      EXPECT_TRUE(is_covered || other.lane == task.lane) << before << " before " << task.index.value();
    }
    for (const int number : task.awaited)
      EXPECT_EQ(std::count(task.after.begin(), task.after.end(), number), 1) << number;
  }
}

/// What a lane changes comes in the order of its tasks, starts before ends, and everything that comes goes.
void expect_changes_cancel(const StepSample& sample) {
  const SizeTerms sizes({.tokens = 1000, .ep = 2, .stage_ranks = 8});
  RankRows rows;
  rows.fill(300);
  double whole_step = 0, later_microbatches = 0, made = 0;
  for (int lane = 0; lane < kNumLanes; ++lane) {
    int before = -1;
    for (const MemoryChange& change : sample.changes(static_cast<Lane>(lane))) {
      EXPECT_EQ(static_cast<int>(sample.tasks()[static_cast<size_t>(change.task)].lane), lane);
      const int place = 2 * change.task + change.at_end;
      EXPECT_LE(before, place);
      before = place;
      const double bytes = sample.forms_of_changes()[static_cast<size_t>(change.form)].at(sizes, rows);
      (change.of_later_microbatches ? later_microbatches : whole_step) += bytes;
      made += std::max(0.0, bytes);
    }
  }
  EXPECT_GT(made, 0);
  EXPECT_NEAR(whole_step, 0, 1e-9 * made);
  EXPECT_NEAR(later_microbatches, 0, 1e-9 * made);
}

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
      if (!seen.insert(structure_key(layout)).second) return true;
      SCOPED_TRACE(plan.name + ", " + describe(layout.layout));
      EXPECT_NO_THROW({
        const StepSample sample(layout);
        expect_awaits_enough(sample);
        expect_changes_cancel(sample);
      });
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
