// What a task waits for, and what is one activity with what.
#include "simulator/step_program.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/technique/lower.h"
#include "simulator/engine_kind.h"
#include "simulator/step_tables.h"
#include "tests/simulator/varied_plans.h"

namespace moesaic::simulator {
namespace {

std::vector<StepProgram::Local> successors(const StepProgram& program, StepProgram::Local task) {
  return {program.successors(task).begin(), program.successors(task).end()};
}

// a -> b and a -> gather; c waits for all three, d for c and the gather. That a has ended before c starts, b says, and
// of the gather before d, c does. Only c is followed by one task that waits for nothing else.
TEST(StepProgram, LeavesOutWhatOthersWaitFor) {
  const Plan plan = small_plan(2, 1);
  TaskGraph graph = empty_graph(plan);
  const TaskIndex a = add_compute(graph, "a", 1), b = add_compute(graph, "b", 1, {a});
  const TaskIndex gather = add_all_gather(graph, "gather", 0, 1000, {a});
  const TaskIndex c = add_compute(graph, "c", 1, {a, b, gather});
  add_compute(graph, "d", 1, {c, gather});
  const StepProgram program(graph, 0);
  EXPECT_EQ(program.num_predecessors(), (std::vector<int32_t>{0, 1, 1, 2, 1}));
  EXPECT_EQ(successors(program, 0), (std::vector<StepProgram::Local>{1, 2}));
  EXPECT_EQ(successors(program, 1), (std::vector<StepProgram::Local>{3}));
  EXPECT_EQ(successors(program, 2), (std::vector<StepProgram::Local>{3}));
  EXPECT_EQ(successors(program, 3), (std::vector<StepProgram::Local>{4}));
  for (StepProgram::Local task = 0; task < 5; ++task)
    EXPECT_EQ(program.next_in_chain(task), task == 3 ? 4 : -1) << task;
}

TEST(StepProgram, HasNoChainsWhereLanesShareTheCore) {
  const Plan plan = small_plan(1, 1);
  TaskGraph graph = empty_graph(plan);
  const TaskIndex a = add_compute(graph, "a", 1);
  add_compute(graph, "b", 1, {a});
  EXPECT_EQ(StepProgram(graph, 0).next_in_chain(0), 1);
  add_compute(graph, "beside", 1, {}, Lane::copy_out);
  EXPECT_EQ(StepProgram(graph, 0).next_in_chain(0), -1);
}

std::vector<TaskTime> times_of(const TaskGraph& graph, const Plan& plan, Fusion fusion) {
  StepTables step(graph, plan, 0, true);
  MemoryTracker memory(graph, step.rows, step.programs, step.classes, false);
  StepSimulation simulation(make_engine(EngineKind::fluid), step.parts(memory), fusion);
  simulation.run();
  return simulation.take_times();
}

// Sums of the same seconds in another order: 1e-12 of the step is some thousand roundings.
TEST(StepSimulation, FusedActivitiesLeaveEveryTaskItsTimes) {
  for (const NamedPlan& named : varied_plans()) {
    const TaskGraph graph = lower(named.plan);
    const std::vector<TaskTime> fused = times_of(graph, named.plan, Fusion::all),
                                single = times_of(graph, named.plan, Fusion::none);
    ASSERT_EQ(fused.size(), single.size());
    Seconds step = 0, worst = 0;
    for (size_t i = 0; i < fused.size(); ++i) {
      step = std::max(step, single[i].end);
      worst = std::max({worst, std::abs(fused[i].start - single[i].start), std::abs(fused[i].end - single[i].end)});
    }
    EXPECT_LE(worst, 1e-12 * step) << named.name;
  }
}

}  // namespace
}  // namespace moesaic::simulator
