// The exchange of gradients among slots that hold the same expert, on steps small enough for paper.
#include <gtest/gtest.h>

#include <functional>

#include "core/graph/verify.h"
#include "core/schema/error.h"
#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using testing::find_task;
using testing::tiny_plan;

/// 4 experts on ranks of 5 slots: experts 0 and 3 with a slot on either rank of a group, expert 1 with two on the first
/// one, expert 2 with one there and three on the second.
Plan replicated(int ranks) {
  Plan plan = tiny_plan(ranks, 2);
  plan.placement = {{5, {0, 1, 1, 2, 3, /**/ 0, 3, 2, 2, 2}}};
  return plan;
}

TaskGraph lowered(const Plan& plan) {
  check_plan(plan, "test");
  return lower(plan);
}

std::vector<std::string> labels_of(const TaskGraph& graph, const std::string& part) {
  std::vector<std::string> labels;
  for (const Task& task : graph.tasks)
    if (task.label.find(part) != std::string::npos) labels.push_back(task.label);
  return labels;
}

// Both ranks hold experts 0, 2 and 3, which take a round each; 1 is on rank 0 alone, where every round is taken.
TEST(ReplicaRounds, GiveEachRankOneExpertAtATime) {
  EXPECT_EQ(replica_rounds({5, {0, 1, 1, 2, 3, /**/ 0, 3, 2, 2, 2}}),
            (std::vector<int>{0, 3, 3, 1, 2, /**/ 0, 2, 1, 1, 1}));
  EXPECT_EQ(replica_rounds(contiguous_placement(4, 2)), (std::vector<int>{-1, -1, -1, -1}));
  // Experts 0 on ranks 0 and 1, 1 on ranks 2 and 3: at once. Expert 2 on ranks 1 and 2: alone.
  EXPECT_EQ(replica_rounds({2, {0, 3, /**/ 0, 2, /**/ 1, 2, /**/ 1, 4}}),
            (std::vector<int>{0, -1, /**/ 0, 1, /**/ 0, 1, /**/ 0, -1}));
}

// up and down of a slot are 2 * 8 * 16 elements of 4 bytes.
TEST(ReplicaGradients, AreExchangedBehindTheLastGradientAndBeforeAllReductions) {
  const TaskGraph graph = lowered(replicated(4));
  const std::string layer = "layer 0 / backward / ";
  EXPECT_EQ(
      labels_of(graph, "of replicas"),
      (std::vector<std::string>{layer + "gather gradients of replicas", layer + "reduce gradients of replicas 0",
                                layer + "reduce gradients of replicas 1", layer + "reduce gradients of replicas 2",
                                layer + "reduce gradients of replicas 3", layer + "spread gradients of replicas"}));
  const TaskIndex wgrad = find_task(graph, layer + "experts wgrad");
  EXPECT_EQ(graph.tasks.at(wgrad.value() + 1).op, Op::gather_replicas);
  EXPECT_EQ(testing::waits_for(graph, layer + "gather gradients of replicas"),
            (std::vector<std::string>{layer + "experts wgrad"}));
  EXPECT_EQ(graph.tasks.at(find_task(graph, layer + "reduce gradients of replicas 0")).bytes, 2 * 8 * 16 * 4);
  const std::vector<std::string> reduced = testing::waits_for(graph, "backward / reduce layers.0.experts.up");
  EXPECT_EQ(std::count(reduced.begin(), reduced.end(), layer + "spread gradients of replicas"), 1);
}

// Ranks that hold an expert meet, of all groups of the stage; the others are alone, and send nothing.
TEST(ReplicaGradients, TravelAmongThoseThatHoldTheExpert) {
  const TaskGraph graph = lowered(replicated(4));
  using Ranks = std::vector<int>;
  const auto meets = [&](int round, int rank) {
    const std::string label = "layer 0 / backward / reduce gradients of replicas " + std::to_string(round);
    return graph.group(graph.tasks.at(find_task(graph, label)).communicator, rank);
  };
  for (int rank = 0; rank < 4; ++rank) EXPECT_EQ(meets(0, rank), (Ranks{0, 1, 2, 3}));
  for (int rank : {0, 2}) EXPECT_EQ(meets(3, rank), (Ranks{0, 2}));
  for (int rank : {1, 3}) EXPECT_EQ(meets(3, rank), (Ranks{rank}));
}

TEST(ReplicaGradients, AreExchangedPerMicrobatchWhereTheyLeavePerMicrobatch) {
  Plan plan = replicated(4);
  plan.layout.micro_batches = 2;
  plan.workload.global_batch = 8;
  const auto gathers = [](const Plan& of) { return labels_of(lowered(of), "gather gradients of replicas").size(); };
  EXPECT_EQ(gathers(plan), 1u);
  for (int zero : {1, 2, 3}) {
    plan.layout.zero = zero;
    EXPECT_EQ(gathers(plan), zero == 1 ? 1u : 2u);
  }
  plan.layout.zero = 0;
  plan.expert_storage.home = Tier::host;
  EXPECT_EQ(gathers(plan), 2u);
}

std::string complaint_about(TaskGraph graph, const std::function<void(OfTasks<Task>&)>& damage) {
  for (Task& task : graph.tasks) task.dependencies.clear();  // they count places
  damage(graph.tasks);
  try {
    verify(graph, "damage");
  } catch (const InvariantError& error) {
    return error.what();
  }
  return "";
}

TEST(ReplicaGradients, AreVerified) {
  const TaskGraph graph = lowered(replicated(4));
  const std::string layer = "layer 0 / backward / ";
  const auto place = [&](const std::string& label) { return find_task(graph, layer + label).value(); };
  const auto without = [&](const std::string& label) {
    return complaint_about(graph, [&](OfTasks<Task>& tasks) { tasks.erase(tasks.begin() + place(label)); });
  };
  EXPECT_NE(without("reduce gradients of replicas 0").find("is not summed over replicas"), std::string::npos);
  EXPECT_NE(without("spread gradients of replicas").find("before replicas have exchanged theirs"), std::string::npos);
  const std::string late = complaint_about(graph, [&](OfTasks<Task>& tasks) {
    std::swap(tasks[place("gather gradients of replicas")], tasks[place("experts wgrad")]);
  });
  EXPECT_NE(late.find("takes 'layers.0.experts.up.gradient' before it has been added to"), std::string::npos) << late;
}

TEST(ReplicaGradients, OfEveryExpertOnceAreNotExchanged) {
  Plan plan = tiny_plan(4, 2);
  plan.placement = {{2, {3, 1, 0, 2}}};
  EXPECT_EQ(testing::labels_of(lowered(plan)), testing::labels_of(lowered(tiny_plan(4, 2))));
}

}  // namespace
}  // namespace moesaic
