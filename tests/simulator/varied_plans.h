#pragma once
// Small plans of every kind that the interpreter treats in its own way: what two ways to simulate must agree on. No
// test stands here.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/core/graph/tiny_plan.h"
#include "tests/simulator/hand_made_graph.h"

namespace moesaic::simulator {

struct NamedPlan {
  std::string name;
  Plan plan;
};

/// Two MoE layers, 8 experts, top-2, on nodes of 4 devices with 1 GB/s cards and 10 GB/s ports, with latency, time per
/// message, launches and interference; 16 tokens a rank and microbatch.
inline Plan varied_base(int nodes, int ep, double zipf = 0) {
  const int ranks = nodes * 4;
  Plan plan = moesaic::testing::tiny_plan(ranks, ep);
  plan.model.num_layers = 2;
  plan.model.moe_layers = {true, true};
  plan.model.num_experts = 8;
  plan.cluster = small_plan(nodes, 4).cluster;
  plan.cluster.device.memory_bandwidth_bytes_per_s = 1e12;
  plan.cluster.intra_node = {10e9, 1e-7, 2e-8};
  plan.cluster.nic = {1e9, 1e-6, 1e-7};
  plan.cluster.pcie = {4e9, 0};
  plan.cluster.devices_per_pcie_switch = 2;
  plan.cluster.host_memory_bytes = plan.cluster.storage_bytes = int64_t{1} << 40;
  plan.cluster.host_memory_bandwidth_bytes_per_s = 2e10;
  plan.cluster.storage_read_bytes_per_s = 3e9, plan.cluster.storage_write_bytes_per_s = 1e9;
  plan.profile = small_plan(nodes, 4).profile;
  plan.profile.launch_interval_s = 1e-7, plan.profile.collective_slowdown = 1.18;
  plan.workload.global_batch = ranks * 4;
  plan.routing.generator.zipf_exponent = zipf;
  return plan;
}

class VariedPlans {
 public:
  std::vector<NamedPlan> plans;

  void with_routing(double zipf, const std::string& routing) {
    add("flat" + routing, varied_base(2, 8, zipf), [](Plan&) {});
    add("replicated groups" + routing, varied_base(4, 8, zipf), [](Plan&) {});
    add("hierarchical" + routing, varied_base(2, 8, zipf),
        [](Plan& plan) { plan.dispatch.all_to_all = AllToAllKind::hierarchical_2d; });
    add("node limited" + routing, varied_base(2, 8, zipf),
        [](Plan& plan) { plan.dispatch.all_to_all = AllToAllKind::node_limited; });
    add("pipeline" + routing, varied_base(2, 4, zipf),
        [](Plan& plan) { plan.layout.pp = plan.layout.micro_batches = 2; });
    add("ZeRO-3" + routing, varied_base(2, 4, zipf), [](Plan& plan) {
      plan.layout.zero = 3;
      plan.prefetch.dense = 1;
    });
    add("host experts" + routing, varied_base(2, 4, zipf), [](Plan& plan) {
      plan.expert_storage.home = Tier::host;
      plan.prefetch.experts = 1;
    });
    add("padded chunks" + routing, varied_base(2, 8, zipf), [](Plan& plan) {
      plan.dispatch.kind = DispatchKind::padded;
      plan.dispatch.capacity_factor = 1.25;
      plan.dispatch.chunks = 2;
    });
    add("prefill" + routing, varied_base(1, 4, zipf), [](Plan& plan) { plan.workload.phase = WorkloadPhase::prefill; });
  }

  void of_layouts() {
    add("storage experts", varied_base(2, 4, 0.8), [](Plan& plan) { plan.expert_storage.home = Tier::storage; });
    add("tensor parallel", varied_base(2, 4), [](Plan& plan) { plan.layout.tp = 2; });
    add("recompute in slices", varied_base(2, 4), [](Plan& plan) {
      plan.layout.recompute = Recompute::full;
      plan.layout.expert_slices = 2;
    });
    add("decode", varied_base(1, 4), [](Plan& plan) {  // behind a context of 16 tokens
      plan.workload.phase = WorkloadPhase::decode;
      plan.workload.sequence_length = 16;
    });
  }

  void of_clusters_and_routing() {
    add("stragglers", varied_base(2, 8), [](Plan& plan) {
      plan.cluster.device_speeds.assign(8, 1);
      plan.cluster.device_speeds[5] = 0.7;
    });
    add("recorded by source", varied_base(2, 8), [](Plan& plan) {
      RoutingDocument& routing = plan.routing;
      routing.num_iterations = 1, routing.num_moe_layers = 2, routing.num_sources = 8, routing.num_experts = 8;
      for (int i = 0; i < 2 * 8 * 8; ++i) routing.counts.push_back(1 + (i * 7 + i / 8 * 3) % 11);
    });
    add("sampled", varied_base(2, 8), [](Plan& plan) { plan.routing.generator.sampled = true; });
    add("odd nodes", varied_base(2, 6), [](Plan& plan) {  // 4 ranks of one node and 2 of another, 24 tokens each
      plan.layout.ranks = 6;
      plan.model.num_experts = 6;
      plan.workload.global_batch = 36;
    });
    add("shared cards", varied_base(2, 8, 0.8), [](Plan& plan) { plan.cluster.nics_per_node = 2; });
    add("rails and spine", varied_base(4, 16, 0.8), [](Plan& plan) {
      plan.model.num_experts = 16;
      plan.cluster.rail_optimized = true;
      plan.cluster.spine = {0.7e9, 1e-6};
    });
    add("pipeline of stragglers in tensor parallel", varied_base(4, 4, 0.8), [](Plan& plan) {
      plan.layout.pp = plan.layout.tp = plan.layout.micro_batches = 2;
      plan.cluster.device_speeds.assign(16, 1);
      plan.cluster.device_speeds[3] = 0.8, plan.cluster.device_speeds[13] = 0.6;
    });
    add("hierarchical on shared cards", varied_base(4, 8), [](Plan& plan) {
      plan.dispatch.all_to_all = AllToAllKind::hierarchical_2d;
      plan.cluster.nics_per_node = 2;
      plan.cluster.rail_optimized = true;
      plan.cluster.spine = {0.5e9, 1e-6};
    });
    add("curves of collectives", varied_base(2, 8, 0.8), [](Plan& plan) {
      plan.profile.collectives.push_back({"all_to_all", 8, true, {1, 100'000}, {2e-6, 4e-4}, Provenance::measured});
    });
  }

 private:
  void add(const std::string& name, Plan plan, const std::function<void(Plan&)>& change) {
    change(plan);
    plan.name = name;
    plans.push_back({name, std::move(plan)});
  }
};

inline std::vector<NamedPlan> varied_plans() {
  VariedPlans varied;
  varied.with_routing(0, " uniform");
  varied.with_routing(0.8, " zipf");
  varied.of_layouts();
  varied.of_clusters_and_routing();
  return std::move(varied.plans);
}

/// CPU ranks, whose lanes share a core that does one thing at a time.
inline std::vector<NamedPlan> polled_plans() {
  std::vector<NamedPlan> plans;
  for (const double zipf : {0.0, 0.8}) {
    Plan plan = varied_base(2, 8, zipf);
    plan.name = zipf == 0 ? "polled uniform" : "polled zipf";
    plan.cluster.device.lanes_share_core = true;
    plan.profile.collective_slowdown = 1;
    plan.profile.task_overhead_s = 1e-6;
    plans.push_back({plan.name, plan});
  }
  return plans;
}

}  // namespace moesaic::simulator
