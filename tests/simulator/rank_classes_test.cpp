// What ranks share: that it changes no result, and who must not share.
#include "simulator/rank_classes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "core/technique/lower.h"
#include "simulator/simulation.h"
#include "simulator/step_tables.h"
#include "tests/simulator/varied_plans.h"

namespace moesaic::simulator {
namespace {

/// The members of each class, in the order of the first ones.
std::vector<std::vector<int>> classes_of(const Plan& plan) {
  const TaskGraph graph = lower(plan);
  const StepTables step(graph, plan, 0, false);
  std::vector<std::vector<int>> members;
  for (int of_class = 0; of_class < step.classes.num_classes(); ++of_class)
    members.emplace_back(step.classes.members(of_class).begin(), step.classes.members(of_class).end());
  return members;
}

Plan plan_named(const std::string& name) {
  for (const NamedPlan& named : varied_plans())
    if (named.name == name) return named.plan;
  throw InvariantError(__FILE__, __LINE__, "name", "no plan " + name);
}

using Members = std::vector<std::vector<int>>;

// 16 tokens of each of 8 ranks choose 2 of 8 experts: 4 rows for each rank's expert, everywhere.
TEST(RankClasses, UniformRoutingLeavesOneOfEachStage) {
  EXPECT_EQ(classes_of(plan_named("flat uniform")), (Members{{0, 1, 2, 3, 4, 5, 6, 7}}));
  EXPECT_EQ(classes_of(plan_named("pipeline uniform")), (Members{{0, 1, 2, 3}, {4, 5, 6, 7}}));
}

TEST(RankClasses, SkewedRoutingLeavesOneOfEachPositionInTheGroups) {
  Members expected;
  for (int position = 0; position < 8; ++position) expected.push_back({position, position + 8});
  EXPECT_EQ(classes_of(plan_named("replicated groups zipf")), expected);
}

TEST(RankClasses, ASlowRankIsAloneAndTellsThoseOfItsGroupFromOthers) {
  EXPECT_EQ(classes_of(plan_named("stragglers")), (Members{{0, 1, 2, 3, 4, 6, 7}, {5}}));
  Plan plan = plan_named("replicated groups uniform");  // groups of 0 to 7 and 8 to 15, which meet to add gradients
  plan.cluster.device_speeds.assign(16, 1);
  plan.cluster.device_speeds[9] = 0.5;
  const Members classes = classes_of(plan);
  const auto holds = [&](int a, int b) {
    return std::any_of(classes.begin(), classes.end(), [&](const std::vector<int>& members) {
      return std::find(members.begin(), members.end(), a) != members.end() &&
             std::find(members.begin(), members.end(), b) != members.end();
    });
  };
  EXPECT_FALSE(holds(9, 8));
  EXPECT_FALSE(holds(0, 8));  // alike in all but whom it meets
  EXPECT_FALSE(holds(1, 0));  // adds its experts' gradients with the slow one
  EXPECT_TRUE(holds(8, 10));
  EXPECT_TRUE(holds(0, 2));
}

TEST(RankClasses, RoutingBySourceLeavesEveryRankAlone) {
  EXPECT_EQ(classes_of(plan_named("recorded by source")).size(), 8u);
  EXPECT_EQ(classes_of(plan_named("sampled")).size(), 8u);
}

// 48 rows of each rank are 8 for each of 6 experts. Ranks 0 to 3 of a full node send to two ranks elsewhere, 4 and 5
// to four.
TEST(RankClasses, OddNodesTellTheirRanksApart) {
  EXPECT_EQ(classes_of(plan_named("odd nodes")), (Members{{0, 1, 2, 3}, {4, 5}}));
}

// Two of four ranks share a card of each node. A slow one slows its neighbour's flows, and nobody else's.
TEST(RankClasses, APortTellsItsUsersFromOthers) {
  Plan plan = plan_named("flat uniform");
  plan.cluster.nics_per_node = 2;
  EXPECT_EQ(classes_of(plan), (Members{{0, 1, 2, 3, 4, 5, 6, 7}}));
  plan.cluster.device_speeds.assign(8, 1);
  plan.cluster.device_speeds[2] = 0.5;
  EXPECT_EQ(classes_of(plan), (Members{{0, 1, 4, 5, 6, 7}, {2}, {3}}));
}

void expect_same_result(const SimulationResult& shared, const SimulationResult& every, double tolerance) {
  const Prediction &a = shared.evaluation.prediction, &b = every.evaluation.prediction;
  const auto near = [&](Seconds x, Seconds y) { EXPECT_NEAR(x, y, tolerance * b.step_seconds); };
  near(a.step_seconds, b.step_seconds);
  near(a.exposed_communication_seconds, b.exposed_communication_seconds);
  near(a.bubble_seconds, b.bubble_seconds);
  near(a.exposed_transfer_seconds, b.exposed_transfer_seconds);
  EXPECT_EQ(a.peak_bytes, b.peak_bytes);
  EXPECT_EQ(a.tasks, b.tasks);
  EXPECT_EQ(shared.evaluation.activities, every.evaluation.activities);
  EXPECT_EQ(shared.evaluation.price_basis, every.evaluation.price_basis);
  EXPECT_EQ(shared.evaluation.reason, every.evaluation.reason);
  ASSERT_EQ(a.critical_path_seconds.size(), b.critical_path_seconds.size());
  for (const auto& [resource, seconds] : a.critical_path_seconds) near(seconds, b.critical_path_seconds.at(resource));
  ASSERT_EQ(shared.timeline.times.size(), every.timeline.times.size());
  Seconds worst = 0;
  for (size_t i = 0; i < every.timeline.times.size(); ++i) {
    const TaskTime &x = shared.timeline.times[i], &y = every.timeline.times[i];
    ASSERT_EQ(std::pair(x.rank, x.task), std::pair(y.rank, y.task));
    worst = std::max({worst, std::abs(x.start - y.start), std::abs(x.end - y.end)});
  }
  EXPECT_LE(worst, tolerance * b.step_seconds);
}

/// Of each rank, in order.
std::map<int, std::vector<std::pair<Seconds, Bytes>>> memory_of(const SimulationResult& result) {
  std::map<int, std::vector<std::pair<Seconds, Bytes>>> memory;
  for (const MemorySample& sample : result.timeline.memory) memory[sample.rank].emplace_back(sample.time, sample.bytes);
  return memory;
}

TEST(RankClasses, ChangeNoBitOfTheFluidModel) {
  for (const NamedPlan& named : varied_plans()) {
    SCOPED_TRACE(named.name);
    const SimulationResult shared = simulate(named.plan, {true, 0, EngineKind::fluid});
    const SimulationResult every = simulate(named.plan, {true, 0, EngineKind::fluid, true});
    expect_same_result(shared, every, 0);
    EXPECT_EQ(memory_of(shared), memory_of(every));
    // Without a timeline the same figures.
    const SimulationResult figures = simulate(named.plan, {false, 0, EngineKind::fluid});
    EXPECT_EQ(figures.evaluation.prediction.step_seconds, every.evaluation.prediction.step_seconds);
    EXPECT_EQ(figures.evaluation.prediction.bubble_seconds, every.evaluation.prediction.bubble_seconds);
    EXPECT_TRUE(figures.timeline.times.empty());
  }
}

TEST(RankClasses, ChangeNothingInSimGrid) {
  for (const NamedPlan& named : varied_plans()) {
    SCOPED_TRACE(named.name);
    expect_same_result(simulate(named.plan, {true, 0, EngineKind::simgrid}),
                       simulate(named.plan, {true, 0, EngineKind::simgrid, true}), 1e-9);
  }
}

}  // namespace
}  // namespace moesaic::simulator
