// The order in which microbatches pass through a pipeline, where parameters and tensors stand, and what one rank runs.
#include "core/steps/pipeline.h"
#include "core/graph/stages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "core/graph/memory.h"
#include "core/graph/verify.h"
#include "core/steps/baseline_step.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

/// "F0@1": the forward pass of microbatch 0 through stage 1; "F0@1>": its result is sent on.
std::string text(const PipelineStep& step) {
  return (step.pass.backward ? "B" : "F") + std::to_string(step.pass.microbatch) + "@" +
         std::to_string(step.pass.stage) + (step.sends ? ">" : "");
}

// Forward 1, backward 2. Stage 0: F0 0-1, F1 1-2, B0 4-6, F2 6-7, B1 7-9, B2 10-12.
// Stage 1: F0 1-2, B0 2-4, F1 4-5, B1 5-7, F2 7-8, B2 8-10. Sends stand at the end of their pass, before what begins
// then.
TEST(OneForwardOneBackward, InterleavesTwoStages) {
  std::string steps;
  for (const PipelineStep& step : one_forward_one_backward(2, 3)) steps += text(step) + " ";
  EXPECT_EQ(steps, "F0@0 F0@0> F1@0 F0@1 F1@0> B0@1 B0@1> B0@0 F1@1 B1@1 F2@0 F2@0> B1@1> B1@0 F2@1 B2@1 B2@1> B2@0 ");
}

TEST(OneForwardOneBackward, OfOneStageAlternates) {
  std::string steps;
  for (const PipelineStep& step : one_forward_one_backward(1, 2)) steps += text(step) + " ";
  EXPECT_EQ(steps, "F0@0 B0@0 F1@0 B1@0 ");
}

// Stage s of p holds at most p - s microbatches, and reaches that bound where there are enough of them.
TEST(OneForwardOneBackward, KeepsFewMicrobatches) {
  for (const auto& [stages, microbatches] : {std::pair{2, 8}, {4, 8}, {4, 2}, {3, 1}}) {
    std::vector<int> alive(static_cast<size_t>(stages), 0), most(alive);
    std::vector<int> passes(alive);
    for (const PipelineStep& step : one_forward_one_backward(stages, microbatches)) {
      if (step.sends) continue;
      const auto stage = static_cast<size_t>(step.pass.stage);
      ++passes[stage];
      alive[stage] += step.pass.backward ? -1 : 1;
      most[stage] = std::max(most[stage], alive[stage]);
    }
    for (int stage = 0; stage < stages; ++stage) {
      EXPECT_EQ(most[static_cast<size_t>(stage)], std::min(stages - stage, microbatches));
      EXPECT_EQ(passes[static_cast<size_t>(stage)], 2 * microbatches);
    }
  }
}

TEST(Stages, ShareLayersEvenly) {
  std::vector<int> stages;
  for (int layer = 0; layer < 5; ++layer) stages.push_back(stage_of_layer(layer, 5, 2));
  EXPECT_EQ(stages, (std::vector<int>{0, 0, 1, 1, 1}));  // floor(5 / 2) = 2
}

/// 4 ranks: 2 stages of 2, of one layer each; ep 2; 2 microbatches.
Plan staged() {
  Plan plan = testing::tiny_plan(4, 2);
  plan.model.num_layers = 2;
  plan.model.moe_layers = {true, true};
  plan.layout.pp = 2;
  plan.layout.micro_batches = 2;
  check_plan(plan, "test");
  return plan;
}

TaskGraph graph_of(const Plan& plan) {
  TaskGraph graph = baseline_step(plan);
  link_dependencies(graph);
  verify(graph, "link_dependencies");
  return graph;
}

TEST(Stages, HoldTheirParametersAndATiedTableTwice) {
  const TaskGraph graph = graph_of(staged());
  std::map<std::string, std::pair<int, int>> stage;
  for (const Parameter& p : graph.parameters) stage[p.name] = {p.stage, p.other_stage};
  EXPECT_EQ(stage.at("embedding"), (std::pair{0, 1}));
  EXPECT_EQ(stage.at("layers.0.qkv"), (std::pair{0, -1}));
  EXPECT_EQ(stage.at("layers.1.experts.up"), (std::pair{1, -1}));
  EXPECT_EQ(stage.at("final_norm"), (std::pair{1, -1}));
  // The second stage holds 16 more elements, the final norm, of 16 bytes each (weight, gradient, two moments), and not
  // the 2 x 2 microbatches' token inputs but the targets: as many.
  EXPECT_EQ(resident_bytes(graph, Tier::device, 1) - resident_bytes(graph, Tier::device, 0), 16 * 16);
}

TEST(Stages, RunTheirOwnTasks) {
  const TaskGraph graph = graph_of(staged());
  OfTasks<TaskIndex> origin;
  const TaskGraph first = graph_of_rank(graph, 1, &origin), last = graph_of_rank(graph, 2);
  EXPECT_EQ(testing::find_task(first, "microbatch 0 / layer 1 / forward / router"), -1);
  EXPECT_EQ(testing::find_task(last, "microbatch 0 / layer 0 / forward / router"), -1);
  EXPECT_EQ(testing::find_task(last, "microbatch 0 / forward / embed"), -1);
  for (size_t i = 0; i < first.tasks.size(); ++i) EXPECT_EQ(first.tasks[i].label, graph.tasks[origin[i]].label);
  const std::string send = "microbatch 0 / forward / stage 0 to 1";
  const Task &sent = first.tasks[testing::find_task(first, send)],
             &arrived = last.tasks[testing::find_task(last, send)];
  EXPECT_EQ(sent.reads.size(), 1u);
  EXPECT_TRUE(sent.writes.empty());
  EXPECT_TRUE(arrived.reads.empty());
  EXPECT_EQ(arrived.writes.size(), 1u);
  EXPECT_EQ(testing::waits_for(first, send),
            (std::vector<std::string>{"microbatch 0 / layer 0 / forward / unpermute"}));
  EXPECT_TRUE(arrived.dependencies.empty());
  // Both stages sum the gradient of the tied table, each after its own last contribution to it.
  EXPECT_EQ(testing::waits_for(first, "backward / reduce embedding"),
            (std::vector<std::string>{"microbatch 1 / backward / embed"}));
  EXPECT_EQ(testing::waits_for(last, "backward / reduce embedding"),
            (std::vector<std::string>{"microbatch 1 / backward / head wgrad"}));
}

// 4 sequences over 2 ranks of a stage and 2 microbatches: every rank sends 1 sequence of 4 tokens to its peer.
TEST(Stages, SendAllTokensToTheirPeer) {
  const TaskGraph graph = graph_of(staged());
  const int pairs = graph.find_communicator("stages 0 and 1");
  EXPECT_EQ(graph.group(pairs, 1), (std::vector<int>{1, 3}));
  EXPECT_EQ(graph.rows_between(Leg::next_stage, 1, 3), 4);
  EXPECT_EQ(graph.rows_between(Leg::next_stage, 3, 1), 0);
  EXPECT_EQ(graph.rows_between(Leg::previous_stage, 3, 1), 4);
  EXPECT_EQ(graph.rows_between(Leg::previous_stage, 1, 1), 0);
}

}  // namespace
}  // namespace moesaic
