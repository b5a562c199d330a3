// The share of the ranks as a decision of the planner.
#include <gtest/gtest.h>

#include "planner/layout/enumerate.h"
#include "planner/memory/relief.h"
#include "planner/search/candidates.h"

namespace moesaic::planner {
namespace {

Problem problem_of(int devices) {
  Problem problem;
  Model& m = problem.model;
  m.num_layers = 1;
  m.hidden = m.head_dim = 8;
  m.num_heads = m.num_kv_heads = 1;
  m.vocabulary = 16;
  m.num_experts = 4;
  m.top_k = 1;
  m.expert_intermediate = 16;
  m.moe_layers = {true};
  problem.cluster.devices_per_node = devices;
  problem.cluster.device = {"device", 1'000'000'000, 1e10, 1e12, 1e12, false};
  problem.cluster.intra_node = {1e10, 1e-6};
  problem.workload.global_batch = 32;
  problem.workload.sequence_length = 4;
  return problem;
}

std::vector<std::string> names_of(const std::vector<DecisionSpace>& spaces, const std::string& what) {
  std::vector<std::string> names;
  for (const DecisionSpace& space : spaces)
    if (space.what == what)
      for (const Choice& choice : space.choices) names.push_back(choice.name);
  return names;
}

// Batches 16/8/4/4 on 8 ranks; microbatches 1, 2 and 4 divide all of them, 4 leaves 8 sequences for 8 ranks.
TEST(ShareOfTheRanks, OffersTeamsForTasks) {
  Problem problem = problem_of(8);
  problem.model.routed_by_task = true;
  problem.workload.tasks = {{"a", 16}, {"b", 8}, {"c", 4}, {"d", 4}};
  const std::vector<LayoutCandidate> layouts = enumerate_layouts(problem);
  ASSERT_EQ(layouts.size(), 3u);
  for (const LayoutCandidate& layout : layouts) EXPECT_EQ(layout.layout.ep, 8);
  const Plan plan = with_baseline_choices(problem, baseline_plan(problem, layouts[0].layout));
  check_plan(plan, "test");
  EXPECT_EQ(plan.elastic.teams, (std::vector<Team>{{{0}, 4}, {{1}, 2}, {{2}, 1}, {{3}, 1}}));
  const std::vector<DecisionSpace> spaces = decision_spaces(problem, plan);
  EXPECT_EQ(names_of(spaces, "share of the ranks"),
            (std::vector<std::string>{"balanced (a: 4, b: 2, c: 1, d: 1)", "even (a: 2, b: 2, c: 2, d: 2)",
                                      "all tasks everywhere (a+b+c+d: 8)"}));
  for (const DecisionSpace& space : spaces)
    for (const Choice& choice : space.choices) {
      Plan changed = plan;
      choice.apply(changed);
      EXPECT_NO_THROW(check_plan(changed, "test")) << choice.name;
    }
}

// Teams of 4, 2, 1 and 1 ranks cannot divide the states of experts: where memory is short, ZeRO is no way out and no
// error either.
TEST(ShareOfTheRanks, TeamsOfUnequalSizeDivideNoStates) {
  Problem problem = problem_of(8);
  problem.model.routed_by_task = true;
  problem.workload.tasks = {{"a", 16}, {"b", 8}, {"c", 4}, {"d", 4}};
  problem.cluster.device.memory_bytes = 1000;
  for (const LayoutCandidate& candidate : enumerate_layouts(problem)) {
    EXPECT_EQ(candidate.layout.zero, 0);
    EXPECT_FALSE(candidate.refusal.empty());
  }
  const Plan plan = with_baseline_choices(problem, baseline_plan(problem, {8, 8, 1}));
  for (const Relief& way : memory_reliefs(problem, plan)) {
    Plan relieved = plan;
    way.apply(relieved);
    EXPECT_NO_THROW(check_plan(relieved, "test"));
  }
}

TEST(ShareOfTheRanks, OffersSharesBySpeedOnMixedDevicesOnly) {
  Problem problem = problem_of(2);
  const Plan alike = baseline_plan(problem, {2, 2, 1});
  EXPECT_TRUE(names_of(decision_spaces(problem, alike), "share of the ranks").empty());
  problem.cluster.device_speeds = {1, 0.5};
  Plan plan = baseline_plan(problem, {2, 2, 1});
  const std::vector<DecisionSpace> spaces = decision_spaces(problem, plan);
  EXPECT_EQ(names_of(spaces, "share of the ranks"), (std::vector<std::string>{"even", "by device speed"}));
  spaces.back().choices[1].apply(plan);
  EXPECT_EQ(plan.elastic.sequences_per_rank, (std::vector<int64_t>{22, 10}));
}

}  // namespace
}  // namespace moesaic::planner
