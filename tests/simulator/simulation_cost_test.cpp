#include "simulator/simulation_cost.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"
#include "core/technique/lower.h"
#include "tests/core/plan/sample_plan.h"

namespace moesaic::simulator {
namespace {

Plan plan_of_layers(int layers) {
  Plan plan = testing::sample_plan();
  plan.profile.operators.clear();
  plan.model.num_layers = layers;
  plan.model.moe_layers.assign(static_cast<size_t>(layers), true);
  plan.placement.clear();
  return plan;
}

// The answer is that of `simulate`, whatever was measured before it.
TEST(SimulationCost, IsOfTheSameSimulation) {
  const Plan plan = plan_of_layers(2);
  for (const EngineKind engine : {EngineKind::simgrid, EngineKind::fluid, EngineKind::simgrid}) {
    const Evaluation evaluation = simulate(plan, {.engine = engine}).evaluation;
    const SimulationCost cost = measure_cost(plan, {.engine = engine});
    EXPECT_EQ(cost.step_seconds, evaluation.prediction.step_seconds);
    EXPECT_EQ(cost.tasks, evaluation.prediction.tasks);
    EXPECT_EQ(cost.activities, evaluation.activities);
    EXPECT_EQ(cost.graph_tasks, static_cast<int64_t>(lower(plan).tasks.size()));
  }
}

// A process has no memory of the steps before: 2 layers behind 400 need what 2 layers needed.
TEST(SimulationCost, CountsNoOtherStep) {
  const SimulationOptions options{.engine = EngineKind::fluid};
  const SimulationCost small = measure_cost(plan_of_layers(2), options),
                       large = measure_cost(plan_of_layers(400), options),
                       again = measure_cost(plan_of_layers(2), options);
  EXPECT_GT(large.peak_bytes - large.begin_bytes, 2 * (small.peak_bytes - small.begin_bytes));
  EXPECT_LT(again.peak_bytes - again.begin_bytes, (large.peak_bytes - large.begin_bytes) / 2);
  for (const SimulationCost& cost : {small, large, again}) {
    EXPECT_LE(cost.begin_bytes, cost.lowered_bytes);
    EXPECT_LE(cost.lowered_bytes, cost.peak_bytes);
  }
  EXPECT_GT(large.lower_cpu_seconds + large.simulate_cpu_seconds, small.lower_cpu_seconds + small.simulate_cpu_seconds);
}

TEST(SimulationCost, PassesARefusalOn) {
  Plan plan = plan_of_layers(2);
  plan.model.sparse_keys = 64;  // no block lowers it
  EXPECT_THROW(measure_cost(plan), InputError);
}

TEST(EngineKind, IsNamed) {
  for (const EngineKind kind : {EngineKind::simgrid, EngineKind::fluid}) EXPECT_EQ(engine_named(name_of(kind)), kind);
  EXPECT_THROW(engine_named("fluids"), InputError);
}

}  // namespace
}  // namespace moesaic::simulator
