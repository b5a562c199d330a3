// Training and inference of a small model shaped like DeepSeek-V3 in every layout: lowered, verified, simulated.
#include <gtest/gtest.h>

#include "core/graph/routing_binding.h"
#include "core/graph/stages.h"
#include "core/technique/lower.h"
#include "core/timeline/breakdown.h"
#include "tests/simulator/hand_made_graph.h"

namespace moesaic::simulator {
namespace {

/// 4 layers, of which the first is dense, 8 experts and a shared one, 4 heads; 8 ranks on 4 nodes, 2 microbatches.
Plan small_deepseek() {
  Plan plan = small_plan(4, 2);
  Model& model = plan.model;
  model.family = "deepseek_v3";
  model.num_layers = 4, model.hidden = 32, model.num_heads = model.num_kv_heads = 4, model.vocabulary = 64;
  model.latent_attention = LatentAttention{12, 8, 6, 2, 6};
  model.num_experts = 8, model.top_k = 2;
  model.expert_intermediate = model.shared_intermediate = 16, model.dense_intermediate = 64;
  model.moe_layers = {false, true, true, true};
  model.norm = Norm::rms_norm, model.activation = Activation::swiglu, model.tied_embeddings = false;
  plan.workload.phase = WorkloadPhase::training;
  plan.workload.compute_dtype = DType::bf16;
  plan.workload.global_batch = 64, plan.workload.sequence_length = 16;
  plan.layout.ep = 4, plan.layout.micro_batches = 2;
  return plan;
}

Seconds simulated(const Plan& plan) {
  check_plan(plan, "test");
  return span_of(simulate_in_child(lower(plan), plan).timeline);
}

/// Of one rank, all its tasks.
double flops_of_rank(const Plan& plan, int rank) {
  const TaskGraph graph = lower(plan);
  const RoutingBinding binding(plan);
  double flops = 0;
  for (const Task& task : graph.tasks)
    if (runs_on(task, graph.stage_of(rank)) && !is_collective(task.op) && !is_transfer(task.op))
      flops += flops_of(task.op, task.shape, binding.rows(task, rank, 0));
  return flops;
}

// At 1 flop/ns and with memory that never binds, a step takes at least its flops; exchanges come on top. Recomputing
// repeats the forward pass of the layers.
TEST(LatentAttention, TrainsInEveryLayout) {
  const Seconds base = simulated(small_deepseek());
  for (const int tp : {1, 2})
    for (const int pp : {1, 2})
      for (const int zero : {0, 1, 2, 3}) {
        Plan plan = small_deepseek();
        plan.layout.tp = tp, plan.layout.pp = pp, plan.layout.zero = zero;
        if (pp > 1 && zero > 1) continue;  // stages keep whole gradients
        EXPECT_GE(simulated(plan), 0.99e-9 * flops_of_rank(plan, 0)) << tp << pp << zero;
        plan.layout.recompute = Recompute::full;
        EXPECT_GT(simulated(plan), 1.1 * base / pp) << tp << pp << zero;
      }
}

TEST(LatentAttention, ServesInEveryLayout) {
  for (const WorkloadPhase phase : {WorkloadPhase::prefill, WorkloadPhase::decode})
    for (const int tp : {1, 2}) {
      Plan plan = small_deepseek();
      plan.workload.phase = phase;
      plan.layout.tp = tp, plan.layout.micro_batches = 1;
      EXPECT_GE(simulated(plan), 0.99e-9 * flops_of_rank(plan, 0)) << tp;
    }
}

}  // namespace
}  // namespace moesaic::simulator
