// The verifier against the graphs that there are: it accepts what every combination of techniques makes of small
// models.
#include <gtest/gtest.h>

#include "core/schema/error.h"
#include "core/technique/lower.h"
#include "tests/core/graph/tiny_plan.h"

namespace moesaic {
namespace {

/// Digits of a number, each to a base of its own.
class Digits {
 public:
  explicit Digits(int64_t number) : left_(number) {}
  int next(int base) {
    const auto digit = static_cast<int>(left_ % base);
    left_ /= base;
    return digit;
  }
  bool are_over() const { return left_ == 0; }

 private:
  int64_t left_;
};

void choose_model(Plan& plan, Digits& digits) {
  Model& model = plan.model;
  model.num_layers = 4;
  model.moe_layers = {true, digits.next(2) == 0, true, true};
  model.hidden = 24;
  model.num_experts = 8;
  model.tied_embeddings = digits.next(2) == 0;
  model.auxiliary_coefficient = digits.next(2) == 0 ? 0 : 0.01;
  if (model.auxiliary_coefficient == 0)
    model.latent_attention = LatentAttention{model.tied_embeddings ? 6 : 0, 4, 4, 2, 3};
  plan.workload.compute_dtype = digits.next(2) == 0 ? DType::f32 : DType::bf16;
}

void choose_layout(Plan& plan, Digits& digits) {
  Layout& layout = plan.layout;
  layout.ep = 1 << digits.next(4);
  layout.pp = 1 + digits.next(2);
  layout.tp = 1 + digits.next(2);
  layout.zero = digits.next(4);
  layout.recompute = static_cast<Recompute>(digits.next(3));
  layout.expert_slices = 1 + digits.next(2);
  layout.micro_batches = 1 + 2 * digits.next(2);
  (layout.zero == 3 ? plan.fused_parameter_bytes : plan.gradient_bucket_bytes) = 4000 * digits.next(2);
  plan.prefetch.dense = layout.zero == 3;
}

void choose_exchange(Plan& plan, Digits& digits) {
  plan.dispatch.chunks = 1 + 2 * digits.next(2);
  plan.dispatch.all_to_all = static_cast<AllToAllKind>(digits.next(3));
  plan.dispatch.kind = static_cast<DispatchKind>(digits.next(2));
  plan.dispatch.capacity_factor = plan.dispatch.kind == DispatchKind::padded ? 1.25 : 0;
  plan.embedding = static_cast<Embedding>(digits.next(2));
}

void choose_storage(Plan& plan, Digits& digits) {
  ExpertStorage& storage = plan.expert_storage;
  storage.home = static_cast<Tier>(digits.next(3));
  plan.prefetch.experts = storage.home == Tier::device ? 0 : plan.model.tied_embeddings;
  if (storage.home != Tier::storage) return;
  storage.cache_entries = storage.flush_period = 1;
  plan.cluster.storage_bytes = Bytes{1} << 30;
  plan.cluster.storage_read_bytes_per_s = plan.cluster.storage_write_bytes_per_s = 1e9;
}

/// Numbers count through all choices; nodes have two ranks.
Plan numbered(Digits& digits) {
  const int kRanks[] = {1, 2, 8, 12};
  Plan plan = testing::tiny_plan(kRanks[digits.next(4)], 1);
  plan.cluster.num_nodes = 6;
  plan.workload.global_batch = 12 * plan.layout.ranks;
  choose_model(plan, digits);
  choose_layout(plan, digits);
  choose_exchange(plan, digits);
  choose_storage(plan, digits);
  plan.workload.phase = static_cast<WorkloadPhase>(digits.next(3));
  return plan;
}

bool is_legal(const Plan& plan) {
  try {
    check_plan(plan, "test");
    return true;
  } catch (const InputError&) {
    return false;
  }
}

// Of 21 million numbers each 1009th, a prime, so that every choice meets every other one.
TEST(Verify, AcceptsWhatTechniquesMakeTogether) {
  constexpr int64_t kStride = 1009;
  int accepted = 0;
  for (int64_t number = 0;; number += kStride) {
    Digits digits(number);
    const Plan plan = numbered(digits);
    if (!digits.are_over()) break;
    if (!is_legal(plan)) continue;
    EXPECT_NO_THROW(lower(plan)) << "plan " << number;
    ++accepted;
  }
  EXPECT_GT(accepted, 700);
}

/// 4 experts on 4 ranks, 2 microbatches of 8 sequences.
Plan elastic() {
  Plan plan = testing::tiny_plan(4, 4);
  plan.workload.global_batch = 16;
  plan.layout.micro_batches = 2;
  return plan;
}

TEST(Verify, AcceptsUnevenBatches) {
  Plan plan = elastic();
  plan.elastic.sequences_per_rank = {1, 4, 2, 1};
  for (const int chunks : {1, 3})
    for (const int zero : {0, 1, 2, 3}) {
      plan.dispatch.chunks = chunks;
      plan.layout.zero = zero;
      check_plan(plan, "test");
      EXPECT_NO_THROW(lower(plan)) << chunks << " chunks, ZeRO stage " << zero;
    }
}

// Experts of task 0 on three ranks, those of three tasks on the last one, which shares its gradients with nobody.
TEST(Verify, AcceptsTeams) {
  Plan plan = elastic();
  plan.layout.ep = 4;
  plan.model.routed_by_task = true;
  plan.model.top_k = 1;
  plan.workload.tasks = {{"a", 12}, {"b", 4}, {"c", 2}, {"d", 2}};
  plan.workload.global_batch = 20;
  plan.elastic.teams = {{{0}, 3}, {{1, 2, 3}, 1}};
  for (const Bytes bucket : {0, 1 << 20}) {
    plan.gradient_bucket_bytes = bucket;
    check_plan(plan, "test");
    EXPECT_NO_THROW(lower(plan)) << "buckets of " << bucket;
  }
}

}  // namespace
}  // namespace moesaic
