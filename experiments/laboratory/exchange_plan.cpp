#include "experiments/laboratory/exchange_plan.h"

#include <algorithm>

#include "core/schema/error.h"

namespace moesaic::experiments {
namespace {

bool is_dispatch(const std::string& label) {
  const std::string name = "layer 0 / forward / dispatch";
  return label == name || label.starts_with(name + " / ");
}

}  // namespace

Plan exchange_plan(const Cluster& cluster, Bytes pair_bytes, AllToAllKind kind) {
  MOESAIC_CHECK(pair_bytes > 0 && pair_bytes % kRowBytes == 0, "pairs exchange whole rows");
  const int ranks = cluster.num_devices();
  Plan plan;
  plan.name = "exchange";
  Model& m = plan.model;
  m.name = "exchange", m.family = "gpt_moe";
  m.num_layers = m.num_heads = m.num_kv_heads = m.top_k = 1;
  m.hidden = m.head_dim = kRowBytes / bytes_of(DType::f32, 1);
  m.vocabulary = 256;
  m.num_experts = ranks;
  m.expert_intermediate = m.dense_intermediate = 16;
  m.moe_layers = {true};
  plan.cluster = cluster;
  plan.workload.name = "exchange";
  plan.workload.phase = WorkloadPhase::prefill;
  plan.workload.global_batch = ranks;
  plan.workload.sequence_length = ranks * pair_bytes / kRowBytes;  // one expert per rank, one choice per token
  plan.layout = {ranks, ranks, 1};
  plan.dispatch.all_to_all = kind;
  plan.profile.assumed_bandwidth_efficiency = 1;
  check_plan(plan, plan.name);
  return plan;
}

Seconds dispatch_seconds(const Timeline& timeline) {
  Seconds first = 1e300, last = 0;
  for (const TaskTime& time : timeline.times) {
    if (!is_dispatch(timeline.rows[static_cast<size_t>(time.task)].label)) continue;
    first = std::min(first, time.start);
    last = std::max(last, time.end);
  }
  MOESAIC_CHECK(last > 0, "the timeline shows no dispatch");
  return last - first;
}

}  // namespace moesaic::experiments
