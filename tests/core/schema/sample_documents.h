#pragma once
// One small document of each kind with no field left at its default, for tests of reading. They describe nothing real.

#include "core/schema/cluster.h"
#include "core/schema/model.h"
#include "core/schema/profile.h"
#include "core/schema/workload.h"

namespace moesaic::testing {

inline Model sample_model() {
  Model model;
  model.name = "sample", model.family = "gpt_moe", model.source = "test";
  model.num_layers = 2, model.hidden = 16, model.num_heads = model.num_kv_heads = 2, model.head_dim = 8;
  model.rope_theta = 5e5, model.norm_epsilon = 2e-5, model.rope_scaled = model.qkv_clipped = true;
  model.sliding_window = 96, model.windowed_layers = {true, false};
  model.vocabulary = 256;
  model.num_experts = 4, model.top_k = 2, model.expert_intermediate = model.dense_intermediate = 32;
  model.expert_groups = 2, model.groups_per_token = 1;
  model.moe_layers = {false, true};
  model.tied_embeddings = false;
  model.recurrent = {"mamba", 1000, 100, {true, false}};
  model.sparse_keys = 7, model.attention_out_bias = model.norm_bias = false;
  model.attention_gate = model.shared_gate = model.shared_norm = model.head_bias = true;
  model.table_dtype = DType::f16, model.uncomputed = {"scores"}, model.left_out = {"a part"};
  return model;
}

inline Cluster sample_cluster() {
  Cluster cluster;
  cluster.name = "sample", cluster.source = "test";
  cluster.num_nodes = 2, cluster.devices_per_node = 2;
  cluster.device = {"device", 1000000000, 1e10, 1e12, 2e12, true};
  cluster.device.multiprocessors = 4;
  cluster.host_memory_bytes = 2000000000, cluster.host_memory_bandwidth_bytes_per_s = 2e10;
  cluster.storage_bytes = 3000000000, cluster.storage_read_bytes_per_s = 2e9, cluster.storage_write_bytes_per_s = 1e9;
  cluster.intra_node = {5e9, 1e-6, 1e-7};
  cluster.pcie = {3e9, 2e-6};
  cluster.devices_per_pcie_switch = 2;
  cluster.nic = {1e9, 3e-6, 5e-7, 9000};
  cluster.nics_per_node = 2;
  cluster.spine = {4e9, 4e-6};
  cluster.rail_optimized = true;
  return cluster;
}

inline Profile sample_profile() {
  Profile profile;
  profile.name = "sample", profile.device = "device";
  profile.machine = "machine", profile.command = "command", profile.date = "2026-01-01", profile.commit = "0123abc";
  profile.operators = {{"matmul", DType::bf16, {{"k", 16}, {"n", 32}}, {1, 64}, {1e-6, 2.5e-5}, Provenance::published}};
  profile.collectives = {{"all_to_all", 4, true, {1024, 65536}, {1e-5, 1e-4}, Provenance::assumed}};
  profile.task_overhead_s = 2e-6, profile.neighbour_slowdown = 1.25;
  profile.launch_interval_s = 3e-6, profile.collective_slowdown = 1.5, profile.fused_optimizer = false;
  profile.assumed_flops_efficiency = 0.25, profile.assumed_bandwidth_efficiency = 0.375;
  profile.measuring = MeasuringRecord{20, 19.5, 3, {"add, 4 rows"}, 101, 7, {"norm, 8 rows", "disk"}, 0.125, 0.5, true};
  return profile;
}

inline Workload sample_workload() {
  return {"sample", WorkloadPhase::training, 16, 128, DType::bf16, {1e-4, 0.8, 0.9, 1e-7, 0.2}, 18446744073709551615u};
}

}  // namespace moesaic::testing
