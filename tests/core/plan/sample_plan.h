#pragma once
// One small valid plan with no field left at its default, for tests of reading and checking. It is not a good plan.

#include "core/plan/plan.h"
#include "tests/core/schema/sample_documents.h"

namespace moesaic::testing {

inline Plan sample_plan() {
  Plan plan;
  plan.name = "sample";
  plan.layout = {4, 4, 2};
  plan.layout.zero = 3;
  plan.fused_parameter_bytes = 1 << 21;
  plan.prefetch = {1, 2};
  plan.expert_storage = {Tier::storage, 3, 0.5, 0.75, 100, 7};
  plan.layout.tp = plan.layout.expert_slices = 2, plan.layout.recompute = Recompute::full;
  plan.embedding = Embedding::column_partition;
  plan.dispatch = {DispatchKind::padded, 1.25, AllToAllKind::hierarchical_2d, 4};
  plan.gradient_bucket_bytes = 1 << 20;
  plan.optimizer_passes = OptimizerPasses::separate;
  plan.placement = {{2, {0, 1, 2, 3, 7, 6, 5, 4}}};
  plan.model = sample_model();
  // What no block lowers: simulators take this plan too.
  plan.model.recurrent = {}, plan.model.sparse_keys = 0, plan.model.attention_gate = false;
  plan.cluster = sample_cluster();
  plan.workload = sample_workload();
  plan.routing.name = "sample";
  plan.routing.generator = {0.8, 7, true};
  plan.profile = sample_profile();
  plan.prediction = {0.125,
                     16384,
                     0.1,
                     0.25,
                     0.12,
                     0.01,
                     0.02,
                     0.03,
                     {{"device", 1000}, {"host", 2000}},
                     {{"experts", 0.08}, {"all_to_all", 0.045}},
                     321,
                     "0123456789abcdef"};
  plan.decisions = {{"layout", "ep 4", {{"ep 2", 0.25, ""}, {"ep 1", 0, "device memory"}}}};
  plan.seed = 9, plan.evaluations = 1000, plan.interrupted = true;
  return plan;
}

}  // namespace moesaic::testing
