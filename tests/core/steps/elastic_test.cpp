// Uneven splits and teams in the graph: whose rows are whose, what is held where, who reduces with whom.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/graph/holdings.h"
#include "core/graph/routing_binding.h"
#include "core/graph/stages.h"
#include "core/schema/error.h"
#include "core/steps/baseline_step.h"

namespace moesaic {
namespace {

/// One MoE layer, 4 experts, 2 microbatches of 8 sequences of 4 tokens.
Plan plan_of(int ranks) {
  Plan plan;
  plan.model.num_layers = 1;
  plan.model.hidden = plan.model.head_dim = 4;
  plan.model.num_heads = plan.model.num_kv_heads = 1;
  plan.model.vocabulary = 16;
  plan.model.num_experts = 4;
  plan.model.top_k = 2;
  plan.model.expert_intermediate = 8;
  plan.model.moe_layers = {true};
  plan.cluster.devices_per_node = ranks;
  plan.workload.global_batch = 16;
  plan.workload.sequence_length = 4;
  plan.layout.ranks = plan.layout.ep = ranks;
  plan.layout.micro_batches = 2;
  return plan;
}

Plan task_plan(const std::vector<Team>& teams, int ranks) {
  Plan plan = plan_of(ranks);
  plan.model.routed_by_task = true;
  plan.model.top_k = 1;
  plan.workload.tasks = {{"a", 8}, {"b", 4}, {"c", 2}, {"d", 2}};
  plan.elastic.teams = teams;
  check_plan(plan, "test");
  return plan;
}

// Shares 5 and 3 of 8 sequences of 4 tokens: 20 and 12 tokens; each sends twice that, top 2.
TEST(UnevenSplit, GivesEachRankItsOwnRows) {
  Plan plan = plan_of(2);
  plan.elastic.sequences_per_rank = {5, 3};
  check_plan(plan, "test");
  const TaskGraph graph = baseline_step(plan);
  EXPECT_EQ(graph.local_tokens, (std::vector<int64_t>{20, 12}));
  EXPECT_EQ(graph.tokens_per_rank, 20);
  const RoutingBinding binding(plan);
  int local = 0;
  for (const Task& task : graph.tasks) {
    if (task.op == Op::permute) {
      EXPECT_EQ(binding.rows(task, 0, 0), 40);
      EXPECT_EQ(binding.rows(task, 1, 0), 24);
    }
    if (task.rows != Rows::local) continue;
    ++local;
    EXPECT_EQ(binding.rows(task, 0, 0), 20);
    EXPECT_EQ(binding.rows(task, 1, 0), 12);
  }
  EXPECT_GT(local, 0);
  const TaskGraph second = graph_of_rank(graph, 1);
  EXPECT_EQ(second.tokens_per_rank, 12);
  for (size_t i = 0; i < graph.tasks.size(); ++i) {
    EXPECT_NE(second.tasks[i].rows, Rows::local);
    if (graph.tasks[i].rows == Rows::local) {
      EXPECT_EQ(second.tasks[i].fixed_rows, 12);
    }
  }
}

TEST(UnevenSplit, EvenPlansHaveNoLocalRows) {
  Plan plan = plan_of(2);
  plan.elastic.sequences_per_rank = {4, 4};
  const TaskGraph graph = baseline_step(plan), plain = baseline_step(plan_of(2));
  EXPECT_TRUE(graph.local_tokens.empty());
  ASSERT_EQ(graph.tasks.size(), plain.tasks.size());
  for (size_t i = 0; i < graph.tasks.size(); ++i) EXPECT_EQ(graph.tasks[i].fixed_rows, plain.tasks[i].fixed_rows);
}

// Microbatch 1 of 2: task a has sequences 0-7 of the step, of which 4-7; b 8-11, of which 10-11; c 13; d 15.
TEST(LocalBatch, NumbersSequencesTaskByTask) {
  const Plan plan = task_plan({{{0}, 2}, {{1}, 1}, {{2, 3}, 1}}, 4);
  EXPECT_EQ(local_batch(plan, 1, 1), (std::vector<SequenceRange>{{6, 2, 0}}));
  EXPECT_EQ(local_batch(plan, 2, 1), (std::vector<SequenceRange>{{10, 2, 1}}));
  EXPECT_EQ(local_batch(plan, 3, 1), (std::vector<SequenceRange>{{13, 1, 2}, {15, 1, 3}}));
  EXPECT_EQ(local_sequences(plan), (std::vector<int64_t>{2, 2, 2, 2}));
}

// Two tasks of 4 and 2 sequences a microbatch on two ranks: three each, so the first rank has none of the second task.
TEST(LocalBatch, CutsTheRowOfATeamsTasks) {
  const Plan plan = task_plan({{{0, 1}, 2}, {{2, 3}, 1}}, 3);
  EXPECT_EQ(local_batch(plan, 0, 0), (std::vector<SequenceRange>{{0, 3, 0}, {8, 0, 1}}));
  EXPECT_EQ(local_batch(plan, 1, 0), (std::vector<SequenceRange>{{3, 1, 0}, {8, 2, 1}}));
}

// Every sequence of the step once, whatever the split.
TEST(LocalBatch, CoversTheStepOnce) {
  Plan uneven = plan_of(4);
  uneven.elastic.sequences_per_rank = {1, 4, 2, 1};
  for (const Plan& plan : {plan_of(4), uneven, task_plan({{{0}, 1}, {{1}, 2}, {{2, 3}, 1}}, 4)}) {
    std::multiset<int64_t> seen;
    for (int rank = 0; rank < 4; ++rank)
      for (int microbatch = 0; microbatch < 2; ++microbatch)
        for (const SequenceRange& range : local_batch(plan, rank, microbatch))
          for (int64_t i = 0; i < range.count; ++i) seen.insert(range.first + i);
    EXPECT_EQ(seen.size(), 16u);
    EXPECT_EQ(std::set<int64_t>(seen.begin(), seen.end()).size(), 16u);
  }
}

// Two slots on every rank, because one team has two tasks; nothing stands in those that are left over.
TEST(Teams, HoldTheExpertsOfTheirTasks) {
  const TaskGraph graph = baseline_step(task_plan({{{0}, 2}, {{1}, 1}, {{2, 3}, 1}}, 4));
  EXPECT_EQ(graph.placement[0], (ExpertPlacement{2, {0, -1, 0, -1, 1, -1, 2, 3}}));
  const auto up = std::find_if(graph.parameters.begin(), graph.parameters.end(),
                               [](const Parameter& p) { return p.name == "layers.0.experts.up"; });
  ASSERT_NE(up, graph.parameters.end());
  EXPECT_EQ(graph.group(up->replicas, 1), (std::vector<int>{0, 1}));
  EXPECT_EQ(graph.group(up->replicas, 3), (std::vector<int>{3}));
  const std::vector<Piece> held = pieces_of(graph, *up, 3), single = pieces_of(graph, *up, 1);
  ASSERT_EQ(held.size(), 2u);
  EXPECT_EQ(held[1].tensor, "layers.0.experts.3.up");
  EXPECT_EQ(held[1].local_offset, 4 * 8);
  ASSERT_EQ(single.size(), 1u);
  EXPECT_EQ(single[0].tensor, "layers.0.experts.0.up");
}

// No router and no all-to-all; experts' gradients are reduced in the team, the others by all.
TEST(Teams, SendOnlyGradients) {
  const TaskGraph graph = baseline_step(task_plan({{{0}, 1}, {{1}, 1}, {{2}, 1}, {{3}, 1}}, 4));
  for (const Task& task : graph.tasks) {
    EXPECT_NE(task.op, Op::router);
    EXPECT_NE(task.op, Op::all_to_all);
    EXPECT_NE(task.label, "backward / reduce layers.0.experts.up");  // each rank alone
  }
  const TaskGraph split = baseline_step(task_plan({{{1, 2, 3}, 1}, {{0}, 3}}, 4));
  const auto reduce = std::find_if(split.tasks.begin(), split.tasks.end(), [](const Task& task) {
    return task.label == "backward / reduce layers.0.experts.up";
  });
  ASSERT_NE(reduce, split.tasks.end());
  EXPECT_EQ(split.group(reduce->communicator, 2), (std::vector<int>{1, 2, 3}));
}

}  // namespace
}  // namespace moesaic
