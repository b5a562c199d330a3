#include "core/graph/communicators.h"
#include "core/steps/baseline_step.h"

#include <gtest/gtest.h>

#include <map>

#include "core/graph/routing_binding.h"
#include "core/operators/router.h"
#include "core/schema/error.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using testing::find_task;
using testing::labels_of;
using testing::tiny_plan;
using testing::waits_for;
using Labels = std::vector<std::string>;

TEST(Baseline, OneRankSendsNothing) {
  EXPECT_EQ(labels_of(baseline_step(tiny_plan(1, 1))), (Labels{"forward / embed",
                                                               "layer 0 / forward / norm1",
                                                               "layer 0 / forward / qkv",
                                                               "layer 0 / forward / attention",
                                                               "layer 0 / forward / out",
                                                               "layer 0 / forward / attention residual",
                                                               "layer 0 / forward / norm2",
                                                               "layer 0 / forward / router",
                                                               "layer 0 / forward / permute",
                                                               "layer 0 / forward / experts",
                                                               "layer 0 / forward / unpermute",
                                                               "forward / final_norm",
                                                               "forward / head",
                                                               "forward / cross entropy",
                                                               "backward / head dgrad",
                                                               "backward / head wgrad",
                                                               "backward / final_norm",
                                                               "layer 0 / backward / unpermute",
                                                               "layer 0 / backward / experts dgrad",
                                                               "layer 0 / backward / experts wgrad",
                                                               "layer 0 / backward / router",
                                                               "layer 0 / backward / permute",
                                                               "layer 0 / backward / norm2",
                                                               "layer 0 / backward / norm2 residual",
                                                               "layer 0 / backward / out dgrad",
                                                               "layer 0 / backward / out wgrad",
                                                               "layer 0 / backward / attention",
                                                               "layer 0 / backward / qkv dgrad",
                                                               "layer 0 / backward / qkv wgrad",
                                                               "layer 0 / backward / norm1",
                                                               "layer 0 / backward / norm1 residual",
                                                               "backward / embed",
                                                               "update / adamw embedding",
                                                               "update / adamw layers.0.norm1",
                                                               "update / adamw layers.0.qkv",
                                                               "update / adamw layers.0.out",
                                                               "update / adamw layers.0.norm2",
                                                               "update / adamw layers.0.router",
                                                               "update / adamw layers.0.experts.up",
                                                               "update / adamw layers.0.experts.down",
                                                               "update / adamw final_norm"}));
}

// Both ranks hold half of the experts: expert gradients are not shared, all others are reduced after their last writer.
TEST(Baseline, TwoRanksExchangeRowsAndReduceGradients) {
  EXPECT_EQ(labels_of(baseline_step(tiny_plan(2, 2))), (Labels{"forward / embed",
                                                               "layer 0 / forward / norm1",
                                                               "layer 0 / forward / qkv",
                                                               "layer 0 / forward / attention",
                                                               "layer 0 / forward / out",
                                                               "layer 0 / forward / attention residual",
                                                               "layer 0 / forward / norm2",
                                                               "layer 0 / forward / router",
                                                               "layer 0 / forward / exchange counts",
                                                               "layer 0 / forward / permute",
                                                               "layer 0 / forward / dispatch",
                                                               "layer 0 / forward / dispatch regroup",
                                                               "layer 0 / forward / experts",
                                                               "layer 0 / forward / combine regroup",
                                                               "layer 0 / forward / combine",
                                                               "layer 0 / forward / unpermute",
                                                               "forward / final_norm",
                                                               "forward / head",
                                                               "forward / cross entropy",
                                                               "backward / head dgrad",
                                                               "backward / head wgrad",
                                                               "backward / final_norm",
                                                               "backward / reduce final_norm",
                                                               "layer 0 / backward / unpermute",
                                                               "layer 0 / backward / combine gradient",
                                                               "layer 0 / backward / combine gradient regroup",
                                                               "layer 0 / backward / experts dgrad",
                                                               "layer 0 / backward / dispatch gradient regroup",
                                                               "layer 0 / backward / dispatch gradient",
                                                               "layer 0 / backward / experts wgrad",
                                                               "layer 0 / backward / router",
                                                               "backward / reduce layers.0.router",
                                                               "layer 0 / backward / permute",
                                                               "layer 0 / backward / norm2",
                                                               "backward / reduce layers.0.norm2",
                                                               "layer 0 / backward / norm2 residual",
                                                               "layer 0 / backward / out dgrad",
                                                               "layer 0 / backward / out wgrad",
                                                               "backward / reduce layers.0.out",
                                                               "layer 0 / backward / attention",
                                                               "layer 0 / backward / qkv dgrad",
                                                               "layer 0 / backward / qkv wgrad",
                                                               "backward / reduce layers.0.qkv",
                                                               "layer 0 / backward / norm1",
                                                               "backward / reduce layers.0.norm1",
                                                               "layer 0 / backward / norm1 residual",
                                                               "backward / embed",
                                                               "backward / reduce embedding",
                                                               "update / sum losses",
                                                               "update / adamw embedding",
                                                               "update / adamw layers.0.norm1",
                                                               "update / adamw layers.0.qkv",
                                                               "update / adamw layers.0.out",
                                                               "update / adamw layers.0.norm2",
                                                               "update / adamw layers.0.router",
                                                               "update / adamw layers.0.experts.up",
                                                               "update / adamw layers.0.experts.down",
                                                               "update / adamw final_norm"}));
}

TEST(Baseline, DependenciesFollowTheData) {
  TaskGraph graph = baseline_step(tiny_plan(2, 2));
  link_dependencies(graph);
  EXPECT_EQ(waits_for(graph, "forward / embed"), Labels{});
  EXPECT_EQ(waits_for(graph, "layer 0 / forward / permute"),
            (Labels{"layer 0 / forward / norm2", "layer 0 / forward / router", "layer 0 / forward / exchange counts"}));
  EXPECT_EQ(waits_for(graph, "layer 0 / forward / dispatch"),
            (Labels{"layer 0 / forward / exchange counts", "layer 0 / forward / permute"}));
  // The residual of the MoE layer is the sum that attention left.
  EXPECT_EQ(
      waits_for(graph, "layer 0 / forward / unpermute"),
      (Labels{"layer 0 / forward / attention residual", "layer 0 / forward / router", "layer 0 / forward / combine"}));
  // The all-to-all of the dispatch gradient and the weight gradient do not wait for each other.
  EXPECT_EQ(waits_for(graph, "layer 0 / backward / dispatch gradient"),
            (Labels{"layer 0 / forward / exchange counts", "layer 0 / backward / dispatch gradient regroup"}));
  EXPECT_EQ(waits_for(graph, "layer 0 / backward / experts wgrad"),
            (Labels{"layer 0 / forward / exchange counts", "layer 0 / forward / dispatch regroup",
                    "layer 0 / forward / experts", "layer 0 / backward / combine gradient regroup",
                    "layer 0 / backward / experts dgrad"}));
  // AdamW overwrites the table that forward and a tied head have read.
  EXPECT_EQ(waits_for(graph, "update / adamw embedding"),
            (Labels{"forward / embed", "forward / head", "backward / head dgrad", "backward / reduce embedding"}));
}

/// "group: label" of every gathering of counts.
Labels gatherings_of(const Plan& plan) {
  const TaskGraph graph = baseline_step(plan);
  Labels found;
  for (const Task& task : graph.tasks)
    if (task.op == Op::all_gather) found.push_back(graph.communicators[task.communicator].name + ": " + task.label);
  return found;
}

// Rows move inside an expert-parallel group only. The auxiliary loss needs the whole stage, once for all layers.
TEST(Baseline, CountsAreExchangedInTheExpertParallelGroup) {
  const std::string layer = "layer 0 / forward / ";
  Plan alone = tiny_plan(4, 1), pairs = tiny_plan(4, 2), offloaded = tiny_plan(4, 1);
  EXPECT_EQ(gatherings_of(alone), (Labels{"world: backward / gather counts"}));
  EXPECT_EQ(gatherings_of(pairs), (Labels{"ep: " + layer + "exchange counts", "world: backward / gather counts"}));
  offloaded.expert_storage.home = Tier::host;
  alone.model.auxiliary_coefficient = pairs.model.auxiliary_coefficient = offloaded.model.auxiliary_coefficient = 0;
  EXPECT_EQ(gatherings_of(offloaded), (Labels{"world: backward / gather counts"}));  // gradients of used experts
  EXPECT_EQ(gatherings_of(alone), Labels{});
  EXPECT_EQ(gatherings_of(pairs), (Labels{"ep: " + layer + "exchange counts"}));
}

// Each of 2 ranks sends 2 layers' 4 counts of 4 bytes; a layer finds the ranks' counts 8 elements apart.
TEST(Baseline, CountsOfAllLayersAreGatheredAtOnce) {
  Plan plan = tiny_plan(2, 1);
  plan.model.num_layers = 2;
  plan.model.moe_layers = {true, true};
  const TaskGraph graph = baseline_step(plan);
  EXPECT_EQ(gatherings_of(plan), (Labels{"world: backward / gather counts"}));
  EXPECT_EQ(graph.tasks[find_task(graph, "backward / gather counts")].bytes, 2 * 4 * 4);
  for (int layer : {0, 1}) {
    const std::string label = "layer " + std::to_string(layer) + " / backward / router";
    const TensorId read = graph.tasks[find_task(graph, label)].reads[operands::RouterBackward::counts];
    const Tensor &counts = graph.tensors[read], &all = graph.tensors[graph.base_of(read)];
    EXPECT_EQ(all.name, "stage_counts");
    EXPECT_EQ(all.row_elements, 8);
    EXPECT_EQ(counts.view_offset, 4 * layer);
    EXPECT_EQ(counts.fixed_rows, 2);
    EXPECT_EQ(counts.row_elements, 4);
  }
}

// permute starts from the router alone; what the stage has chosen is awaited by the router's gradient.
TEST(Baseline, WithoutExpertParallelismNoRowsWaitForCountsOfOthers) {
  TaskGraph graph = baseline_step(tiny_plan(2, 1));
  link_dependencies(graph);
  EXPECT_EQ(waits_for(graph, "layer 0 / forward / permute"),
            (Labels{"layer 0 / forward / norm2", "layer 0 / forward / router"}));
  const Labels gradient = waits_for(graph, "layer 0 / backward / router");
  EXPECT_EQ(std::count(gradient.begin(), gradient.end(), "backward / gather counts"), 1);
}

// Collectives of "world": counts, 7 reductions, the losses; of "ep": four exchanges.
TEST(Baseline, NumbersTheCollectivesOfEachCommunicator) {
  TaskGraph graph = baseline_step(tiny_plan(2, 2));
  link_dependencies(graph);
  std::map<std::string, std::vector<int>> sequences;
  for (const Task& task : graph.tasks)
    if (task.communicator >= 0) sequences[graph.communicators[task.communicator].name].push_back(task.sequence);
  EXPECT_EQ(sequences,
            (std::map<std::string, std::vector<int>>{{"ep", {0, 1, 2, 3}}, {"world", {0, 1, 2, 3, 4, 5, 6, 7, 8}}}));
}

TEST(Baseline, FourRanksInGroupsOfTwoShareExpertGradients) {
  const TaskGraph graph = baseline_step(tiny_plan(4, 2));
  const Task& reduce = graph.tasks[find_task(graph, "backward / reduce layers.0.experts.up")];
  EXPECT_EQ(graph.group(reduce.communicator, 1), (std::vector<int>{1, 3}));
  EXPECT_EQ(reduce.bytes, 2 * 8 * 16 * 4);  // two slots of H F f32
}

TEST(Baseline, CommunicatorsOfTwoGroupsOnFourNodes) {
  Plan plan = tiny_plan(8, 4);
  plan.cluster.num_nodes = 4;
  const auto families = communicators_of(plan.layout, plan.cluster);
  using RankGroups = std::vector<std::vector<int>>;
  ASSERT_EQ(families.size(), 5u);
  EXPECT_EQ(families[0].groups, (RankGroups{{0, 1, 2, 3, 4, 5, 6, 7}}));
  EXPECT_EQ(families[1].groups, (RankGroups{{0, 1, 2, 3}, {4, 5, 6, 7}}));
  EXPECT_EQ(families[2].groups, (RankGroups{{0, 4}, {1, 5}, {2, 6}, {3, 7}}));
  EXPECT_EQ(families[3].groups, (RankGroups{{0, 1}, {2, 3}, {4, 5}, {6, 7}}));
  EXPECT_EQ(families[4].groups, (RankGroups{{0, 2}, {1, 3}, {4, 6}, {5, 7}}));
}

// T = 16 tokens, 32 routed rows. norms 3 * 8 T H = 3072; qkv 2 T 24 H = 6144; attention 4 * (T 4 / 2) * 8 = 1024; out
// 2 T 8 H = 2048; residual T H = 128; router 2 T 4 H + 5 T 4 = 1344; experts 2 * 2 * 32 * 16 * 8 = 16,384; unpermute
// 2 * 32 * 8 = 512; head 2 T 16 H = 4096; cross entropy 6 T 16 = 1536. Sum 36,288.
TEST(Baseline, ForwardCostsWhatTheFormulaSays) {
  const Plan plan = tiny_plan(1, 1);
  const TaskGraph graph = baseline_step(plan);
  const RoutingBinding binding(plan);
  double flops = 0;
  for (const Task& task : graph.tasks)
    if (task.phase == Phase::forward) flops += flops_of(task.op, task.shape, binding.rows(task, 0, 0));
  EXPECT_EQ(flops, 36288);
}

TEST(Baseline, MicrobatchesRepeatThePassAndUpdateOnce) {
  Plan plan = tiny_plan(1, 1);
  plan.layout.micro_batches = 2;
  const TaskGraph graph = baseline_step(plan);
  EXPECT_EQ(graph.tokens_per_rank, 8);
  EXPECT_EQ(graph.tasks.size(), 2 * 32 + 9u);
  EXPECT_EQ(graph.tasks[0].label, "microbatch 0 / forward / embed");
  EXPECT_EQ(graph.tasks[32].label, "microbatch 1 / forward / embed");
}

TEST(Baseline, InferenceEndsWithTheLogitsOfTheLastToken) {
  Plan plan = tiny_plan(1, 1);
  plan.workload.phase = WorkloadPhase::prefill;
  const TaskGraph graph = baseline_step(plan);
  EXPECT_EQ(graph.tasks.size(), 13u);
  EXPECT_EQ(graph.tasks.back().label, "forward / head");
  EXPECT_EQ(graph.tasks.back().fixed_rows, 4);  // sequences
  plan.workload.phase = WorkloadPhase::decode;
  EXPECT_EQ(baseline_step(plan).tokens_per_rank, 4);
}

// Of 4 tokens a query of layer 0 sees 3. A decode step has one query: it attends to 3 keys, in layer 1 to 4.
TEST(Baseline, AttentionOfWindowedLayersHasTheirWindow) {
  Plan plan = tiny_plan(1, 1);
  plan.model.num_layers = 2;
  plan.model.moe_layers = {true, true};
  plan.model.sliding_window = 3;
  plan.model.windowed_layers = {true, false};
  const auto shape = [&](const std::string& label) {
    const TaskGraph graph = baseline_step(plan);
    const OpShape& found = graph.tasks.at(find_task(graph, label)).shape;
    return std::pair{found.sequence, found.window};
  };
  using SequenceAndWindow = std::pair<int64_t, int64_t>;
  EXPECT_EQ(shape("layer 0 / forward / attention"), SequenceAndWindow(4, 3));
  EXPECT_EQ(shape("layer 1 / forward / attention"), SequenceAndWindow(4, 0));
  EXPECT_EQ(shape("layer 0 / backward / attention"), SequenceAndWindow(4, 3));
  EXPECT_EQ(shape("layer 1 / backward / attention"), SequenceAndWindow(4, 0));
  plan.workload.phase = WorkloadPhase::decode;
  EXPECT_EQ(shape("layer 0 / forward / attention"), SequenceAndWindow(3, 0));
  EXPECT_EQ(shape("layer 1 / forward / attention"), SequenceAndWindow(4, 0));
  plan.workload.phase = WorkloadPhase::prefill;
  plan.model.sliding_window = 4;  // hides no key
  EXPECT_EQ(shape("layer 0 / forward / attention"), SequenceAndWindow(4, 0));
}

// No block is a recurrence or chooses keys, so no graph is built that passes for one.
TEST(Baseline, RefusesWhatNoBlockComputes) {
  const auto refusal = [](const auto& change) {
    Plan plan = tiny_plan(1, 1);
    plan.workload.phase = WorkloadPhase::decode;
    change(plan.model);
    try {
      baseline_step(plan);
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refusal([](Model&) {}), "accepted");
  EXPECT_NE(refusal([](Model& m) {
              m.recurrent = {"mamba", 10, 10, {true}};
            }).find("has mamba in 1 of 1 layers"),
            std::string::npos);
  EXPECT_NE(refusal([](Model& m) { m.sparse_keys = 2048; }).find("has sparse attention to 2048 keys"),
            std::string::npos);
  EXPECT_NE(refusal([](Model& m) { m.attention_gate = true; }).find("has a gate of attention's output"),
            std::string::npos);
}

}  // namespace
}  // namespace moesaic
