#pragma once
// Trains a plan while the reference looks on.

#include "tests/executor/reference/comparing_backend.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor::testing {

// Sums of up to 256 terms in f32: 2e-6 was seen. bf16 keeps 8 bits, 2e-3 a factor: 7e-3 was seen. Rounding to what is
// stored: a last place, 2^-8.
constexpr Tolerances kTolerances{1e-5, 2e-2, 0x1p-8};

struct NamedPlan {
  const char* name;
  Plan plan;
};

inline Plan with(Plan plan, void (*change)(Plan&)) {
  change(plan);
  return plan;
}

inline void pad(Plan& plan) {
  plan.dispatch.kind = DispatchKind::padded;
  plan.dispatch.capacity_factor = 1.0;  // drops: see plan_equivalence_test
  plan.dispatch.chunks = 2;
}

inline void round_operands(Plan& plan) {
  plan.workload.compute_dtype = DType::bf16;
  plan.dispatch.chunks = 2;
}

inline void share_states(Plan& plan) {
  plan.workload.optimizer.schedule = {LearningRateSchedule::Decay::linear, 1, 3, 0};
  plan.workload.optimizer.max_gradient_norm = 0.1;  // of norms from 0.4 on
  plan.layout.zero = 2;
  plan.gradient_bucket_bytes = 30'000;
}

inline void share_weights(Plan& plan) {
  plan.layout.tp = 2;
  plan.layout.zero = 3;
  plan.fused_parameter_bytes = 4'000;
}

/// Slices of half of the experts stand on both nodes.
inline void send_once(Plan& plan) {
  plan.dispatch.all_to_all = AllToAllKind::node_limited;
  plan.dispatch.chunks = 2;
  plan.model.top_k = 3;
  plan.layout.expert_slices = 2;
  plan.placement.assign(2, {4, {0, 2, 4, 6, 1, 8, 3, 10, 5, 12, 7, 14, 9, 11, 13, 15}});
}

/// Of two ranks: on one or both of them.
inline void replicate(Plan& plan) { plan.placement.assign(2, {6, {5, 2, 7, 0, 5, 1, /**/ 6, 3, 4, 5, 2, 2}}); }

/// RMS norms, gated experts beside a shared one, weights as they are; norms of queries and keys: of each head, or
/// (`whole`) of all heads of a tensor-parallel pair.
inline Plan todays_blocks(Plan plan, bool whole) {
  Model& m = plan.model;
  m.norm = Norm::rms_norm;
  m.activation = Activation::swiglu;
  m.num_heads = 4;
  m.num_kv_heads = 2;
  m.head_dim = 8;
  m.rope_theta = 1e6;
  m.qk_norm = true;
  m.qk_norm_whole = whole;
  m.normalize_top_k = false;
  m.shared_intermediate = 20;
  if (whole) plan.layout.tp = 2;
  return plan;
}

/// Between them they reach every operator, every regrouping and every way in which operands are cut.
inline std::vector<NamedPlan> compared_plans() {
  const Plan two = plan_of(1, 2, 2);
  return {
      {"one rank", plan_of(1, 1, 1)},
      {"chunks", with(two, [](Plan& p) { p.dispatch.chunks = 2; })},
      {"padded slots", with(two, pad)},
      {"slices of experts", with(two, [](Plan& p) { p.layout.expert_slices = 2; })},
      {"shuffled experts", with(two,
                                [](Plan& p) {
                                  p.placement.assign(2, {4, {5, 2, 7, 0, 1, 6, 3, 4}});
                                })},
      {"replicas of experts", with(plan_of(1, 4, 2), replicate)},
      {"rounded operands", with(two, round_operands)},
      {"hierarchical", with(plan_of(2, 2, 4), [](Plan& p) { p.dispatch.all_to_all = AllToAllKind::hierarchical_2d; })},
      {"once per node", with(plan_of(2, 2, 4), send_once)},
      {"rows by masks", with(two,
                             [](Plan& p) {
                               pad(p);
                               p.dispatch.kernel = RowKernel::einsum, p.dispatch.chunks = 1;
                               p.layout.expert_slices = 2;
                             })},
      {"copied gradients", with(two, [](Plan& p) { p.optimizer_passes = OptimizerPasses::separate; })},
      {"columns of the embedding", with(two, [](Plan& p) { p.embedding = Embedding::column_partition; })},
      {"shares of states", with(two, share_states)},
      {"shares of weights, tensor parallel", with(unchecked_plan_of(1, 4, 2), share_weights)},
      {"blocks of today's models", todays_blocks(two, false)},
      {"heads normed together", todays_blocks(two, true)},
      {"gathered tokens", with(two,
                               [](Plan& p) {
                                 p.dispatch.exchange = ExpertExchange::all_gather;
                                 p.layout.expert_slices = 2;
                               })},
      {"replicated tokens", with(unchecked_plan_of(1, 4, 4),
                                 [](Plan& p) {
                                   p.dispatch.exchange = ExpertExchange::all_gather;
                                   p.layout.tp = 2;
                                   p.layout.tp_tokens = GroupTokens::replicated;
                                 })},
      {"windows of experts", with(two, [](Plan& p) { p.expert_storage.home = Tier::host; })}};
}

/// Two steps: the second has moments, and weights that an update has written.
inline void train_compared(const Plan& plan, Comparison& comparison,
                           const MakeBackend& make_backend = make_cpu_backend) {
  check_plan(plan, "test");
  TrainOptions options;
  options.steps = 2;
  train_on_threads(plan, corpus(), options,
                   [&](int rank) { return std::make_unique<ComparingBackend>(make_backend(rank), comparison); });
}

}  // namespace moesaic::executor::testing
