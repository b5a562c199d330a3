#include <gtest/gtest.h>

#include "core/graph/memory.h"
#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

using testing::tiny_plan;
using testing::waits_for;

using Labels = std::vector<std::string>;

TaskGraph offloaded(Tier home, int ahead, int num_layers = 1, int ranks = 2) {
  Plan plan = tiny_plan(ranks, 2);
  plan.model.num_layers = num_layers;
  plan.model.moe_layers.assign(static_cast<size_t>(num_layers), true);
  plan.expert_storage.home = home;
  plan.prefetch.experts = ahead;
  if (home == Tier::storage) {
    plan.cluster.storage_bytes = Bytes{1} << 30;
    plan.cluster.storage_read_bytes_per_s = plan.cluster.storage_write_bytes_per_s = 1e9;
    plan.expert_storage.cache_entries = 1;
    plan.expert_storage.flush_period = 1;
  }
  check_plan(plan, "test");
  return lower(plan);
}

/// Where expert states move, in program order, and the tasks of `between`.
Labels moves(const TaskGraph& graph, const std::vector<Op>& between = {}) {
  Labels labels;
  for (const Task& task : graph.tasks)
    if (is_transfer(task.op) || std::find(between.begin(), between.end(), task.op) != between.end())
      labels.push_back(task.label);
  return labels;
}

int64_t elements_of(const TaskGraph& graph, const std::string& name, Tier tier) {
  for (const Tensor& tensor : graph.tensors)
    if (tensor.name == name && tensor.tier == tier) return tensor.fixed_rows * tensor.row_elements;
  return 0;
}

// 2 slots per rank of two matrices of 16 x 8: 512 elements, whose weight, gradient and two moments take 16 bytes. Host
// memory holds the summed gradients and weight and moments; on storage, it caches one slot of the two.
TEST(ExpertOffload, TakesExpertStatesOffTheDevice) {
  const TaskGraph host = offloaded(Tier::host, 0), storage = offloaded(Tier::storage, 0);
  EXPECT_EQ(resident_bytes(lower(tiny_plan(2, 2))) - resident_bytes(host), 512 * 16);
  EXPECT_EQ(resident_bytes(storage), resident_bytes(host));
  EXPECT_EQ(elements_of(host, "layers.0.experts gradients", Tier::host), 512);
  EXPECT_EQ(elements_of(host, "layers.0.experts states", Tier::host), 3 * 512);
  EXPECT_EQ(elements_of(storage, "layers.0.experts gradients", Tier::host), 512);
  EXPECT_EQ(elements_of(storage, "layers.0.experts states", Tier::storage), 3 * 512);
  EXPECT_EQ(elements_of(storage, "expert cache", Tier::host), 3 * 256);
}

TEST(ExpertOffload, BringsWeightsForEachPassAndTakesGradientsAway) {
  EXPECT_EQ(moves(offloaded(Tier::host, 0), {Op::all_gather, Op::experts, Op::experts_dgrad, Op::experts_wgrad}),
            (Labels{"layer 0 / forward / exchange counts", "layer 0 / forward / fetch experts, missing",
                    "layer 0 / forward / experts", "layer 0 / backward / fetch experts, active",
                    "layer 0 / backward / experts dgrad", "layer 0 / backward / experts wgrad",
                    "layer 0 / backward / drain expert gradients", "layer 0 / update / check gradients of experts",
                    "layer 0 / update / update experts"}));
}

// The prediction of layer 1 is fetched before layer 0 begins, that of layer 0 with it, for there is no layer before it;
// backward the active experts of layer 0 come while layer 1 is under way.
TEST(ExpertOffload, FetchesOneLayerAhead) {
  EXPECT_EQ(moves(offloaded(Tier::host, 1, 2), {Op::attention, Op::attention_backward}),
            (Labels{"layer 0 / forward / fetch experts, predicted", "layer 1 / forward / fetch experts, predicted",
                    "layer 0 / forward / attention", "layer 0 / forward / fetch experts, missing",
                    "layer 1 / forward / attention", "layer 1 / forward / fetch experts, missing",
                    "layer 1 / backward / fetch experts, active", "layer 0 / backward / fetch experts, active",
                    "layer 1 / backward / drain expert gradients", "layer 1 / backward / attention",
                    "layer 0 / backward / drain expert gradients", "layer 0 / backward / attention",
                    "layer 1 / update / check gradients of experts", "layer 0 / update / check gradients of experts",
                    "layer 1 / update / update experts", "layer 0 / update / update experts"}));
}

TEST(ExpertOffload, MovesInTheOrderOfWhatItNeeds) {
  const TaskGraph graph = offloaded(Tier::storage, 0);
  EXPECT_EQ(waits_for(graph, "layer 0 / forward / load experts, missing"),
            (Labels{"layer 0 / forward / exchange counts"}));
  EXPECT_EQ(waits_for(graph, "layer 0 / forward / fetch experts, missing"),
            (Labels{"layer 0 / forward / load experts, missing"}));
  EXPECT_EQ(waits_for(graph, "layer 0 / forward / experts"),
            (Labels{"layer 0 / forward / exchange counts", "layer 0 / forward / fetch experts, missing",
                    "layer 0 / forward / dispatch regroup"}));
  EXPECT_EQ(waits_for(graph, "layer 0 / backward / drain expert gradients"),
            (Labels{"layer 0 / forward / exchange counts", "layer 0 / backward / experts wgrad"}));
  EXPECT_EQ(waits_for(graph, "layer 0 / update / store experts"), (Labels{"layer 0 / update / update experts"}));
  EXPECT_EQ(waits_for(graph, "update / flush experts"), (Labels{"layer 0 / update / update experts"}));
}

// 4 ranks in two groups of 2: each expert is on two ranks, which add their gradients before these leave the device.
TEST(ExpertOffload, SumsGradientsOfReplicasOnTheDevice) {
  const TaskGraph graph = offloaded(Tier::host, 0, 1, 4);
  EXPECT_EQ(waits_for(graph, "layer 0 / backward / reduce layers.0.experts.up"),
            (Labels{"layer 0 / backward / experts wgrad"}));
  EXPECT_EQ(waits_for(graph, "layer 0 / backward / drain expert gradients"),
            (Labels{"layer 0 / forward / exchange counts", "layer 0 / backward / reduce layers.0.experts.up",
                    "layer 0 / backward / reduce layers.0.experts.down"}));
}

}  // namespace
}  // namespace moesaic
