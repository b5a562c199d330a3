#pragma once
// A plan whose step has every operator of the executor and takes milliseconds.

#include "core/plan/plan.h"

namespace moesaic::executor {

/// Two layers, the second with experts; 2 sequences of 8 tokens per step.
inline Plan tiny_plan(int ranks) {
  Plan plan;
  plan.name = "tiny";
  Model& m = plan.model;
  m.family = "gpt_moe";
  m.num_layers = 2;
  m.hidden = 32;
  m.num_heads = m.num_kv_heads = 2;
  m.head_dim = 16;
  m.vocabulary = 256;
  m.num_experts = 4;
  m.top_k = 2;
  m.expert_intermediate = 48;
  m.dense_intermediate = 64;
  m.moe_layers = {false, true};
  plan.cluster.name = "two cores";
  plan.cluster.devices_per_node = ranks;
  plan.cluster.device.lanes_share_core = true;
  plan.cluster.device.peak_f32_flops_per_s = 1e11;
  plan.cluster.device.memory_bandwidth_bytes_per_s = 1e10;
  plan.workload.global_batch = 2;
  plan.workload.sequence_length = 8;
  plan.layout = {ranks, ranks, 1};
  return plan;
}

}  // namespace moesaic::executor
