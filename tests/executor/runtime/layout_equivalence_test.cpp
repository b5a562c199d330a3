// Layouts that run tasks again compute what the same layout without it computes: the same losses bit for bit.
#include <gtest/gtest.h>

#include "core/schema/hash.h"
#include "executor/runtime/trainer.h"

namespace moesaic::executor {
namespace {

Corpus corpus() {
  std::vector<uint8_t> bytes;
  for (uint64_t i = 0; i < 4096; ++i) bytes.push_back(static_cast<uint8_t>('a' + splitmix64(i / 3) % 20));
  return Corpus(bytes);
}

/// 1 MoE layer between 2 dense ones, 4 heads, 4 experts, top 2; one node unless `per_node` says otherwise.
Plan plan_of(int ranks, int ep, int per_node = 8) {
  Plan plan;
  Model& m = plan.model;
  m.family = "gpt_moe";
  m.num_layers = 3;
  m.hidden = 16;
  m.num_heads = m.num_kv_heads = 4;
  m.head_dim = 4;
  m.vocabulary = 256;
  m.num_experts = 4;
  m.top_k = 2;
  m.expert_intermediate = m.dense_intermediate = 24;
  m.moe_layers = {false, true, false};
  plan.cluster.devices_per_node = std::min(ranks, per_node);
  plan.cluster.num_nodes = ranks / plan.cluster.devices_per_node;
  plan.cluster.device.lanes_share_core = true;
  plan.cluster.intra_node = plan.cluster.nic = {1e9, 1e-6};
  plan.workload.global_batch = 16;
  plan.workload.sequence_length = 8;
  plan.workload.seed = 7;
  plan.layout = {ranks, ep, 2};
  return plan;
}

std::vector<double> losses(const Plan& plan) {
  check_plan(plan, "test");
  TrainOptions options;
  options.steps = 4;
  return train_on_threads(plan, corpus(), options).loss;
}

TEST(Recompute, ChangesNoBit) {
  for (const auto& [ranks, ep] : {std::pair{1, 1}, {2, 2}, {4, 2}}) {
    Plan plan = plan_of(ranks, ep);
    const std::vector<double> kept = losses(plan);
    for (Recompute mode : {Recompute::full, Recompute::communication_aware}) {
      plan.layout.recompute = mode;
      EXPECT_EQ(losses(plan), kept) << ranks << " ranks";
      Plan cut = plan;
      cut.dispatch.chunks = 2;
      EXPECT_EQ(losses(cut), kept) << ranks << " ranks, 2 chunks";
    }
  }
}

TEST(Recompute, ChangesNoBitAcrossNodes) {
  Plan plan = plan_of(4, 4, 2);
  plan.dispatch.all_to_all = AllToAllKind::hierarchical_2d;
  const std::vector<double> kept = losses(plan);
  plan.layout.recompute = Recompute::full;
  EXPECT_EQ(losses(plan), kept);
}

}  // namespace
}  // namespace moesaic::executor
