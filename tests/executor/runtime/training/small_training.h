#pragma once
// A model that trains in milliseconds, its text, and the losses of a plan on threads of this process. It is not a
// benchmark.

#include <vector>

#include "core/schema/hash.h"
#include "executor/runtime/training/trainer.h"

namespace moesaic::executor::testing {

constexpr int64_t kSteps = 6;

inline std::vector<uint8_t> corpus_bytes() {
  std::vector<uint8_t> bytes;
  for (uint64_t i = 0; i < 8192; ++i) bytes.push_back(static_cast<uint8_t>('a' + splitmix64(i / 3) % 20));
  return bytes;
}
inline Corpus corpus() { return Corpus(corpus_bytes()); }

/// 2 MoE layers and 1 dense layer, 8 experts, top 2; `nodes` of `per_node` ranks; 2 microbatches of 8 sequences of 16
/// tokens. For tests that change more before they check it.
inline Plan unchecked_plan_of(int nodes, int per_node, int ep) {
  Plan plan;
  Model& m = plan.model;
  m.family = "gpt_moe";
  m.num_layers = 3;
  m.hidden = 32;
  m.num_heads = m.num_kv_heads = 2;
  m.head_dim = 16;
  m.vocabulary = 256;
  m.num_experts = 8;
  m.top_k = 2;
  m.expert_intermediate = m.dense_intermediate = 48;
  m.moe_layers = {true, false, true};
  plan.cluster.num_nodes = nodes;
  plan.cluster.devices_per_node = per_node;
  plan.cluster.device.lanes_share_core = true;
  plan.cluster.intra_node = plan.cluster.nic = {1e9, 1e-6};
  plan.workload.global_batch = 16;
  plan.workload.sequence_length = 16;
  plan.workload.seed = 7;
  plan.layout.ranks = nodes * per_node;
  plan.layout.ep = ep;
  plan.layout.micro_batches = 2;
  return plan;
}

inline Plan plan_of(int nodes, int per_node, int ep) {
  Plan plan = unchecked_plan_of(nodes, per_node, ep);
  check_plan(plan, "test");
  return plan;
}

/// The same plan for devices with memory of their own.
inline Plan on_gpu(Plan plan, DType dtype = DType::f32) {
  plan.cluster.device.lanes_share_core = false;
  plan.workload.compute_dtype = plan.model.weight_dtype = dtype;
  return plan;
}

inline std::vector<double> losses(const Plan& plan) {
  check_plan(plan, "test");
  TrainOptions options;
  options.steps = kSteps;
  return train_on_threads(plan, corpus(), options).loss;
}

}  // namespace moesaic::executor::testing
