// Experts that hold several slots train as experts with one slot do: the same losses and gradients as one rank within
// rounding, whatever else a plan chooses, and states of replicas that agree to the bit.
#include <gtest/gtest.h>

#include "core/technique/lower.h"
#include "tests/executor/checkpoint/toy_state.h"
#include "tests/executor/runtime/training/checkpointed_run.h"
#include "tests/executor/runtime/training/like_one_rank.h"

namespace moesaic::executor {
namespace {

using testing::kSteps;
using testing::losses;
using testing::run;

/// 8 experts in both MoE layers. Expert 5 has three slots in the first layer, two of them on one rank, expert 2 two; in
/// the second layer expert 0 has all four spare slots.
std::vector<ExpertPlacement> on_two() {
  return {{6, {5, 2, 7, 0, 5, 1, /**/ 6, 3, 4, 5, 2, 2}}, {6, {0, 1, 2, 3, 0, 0, /**/ 4, 5, 6, 7, 0, 0}}};
}
/// Of four ranks: expert 5 has four slots, expert 2 two, in rounds of their own as rank 0 holds both; in the second
/// layer experts 1 and 6 have two each, on other ranks: one round.
std::vector<ExpertPlacement> on_four() {
  return {{3, {5, 2, 7, /**/ 0, 5, 1, /**/ 6, 5, 3, /**/ 4, 5, 2}},
          {3, {0, 1, 2, /**/ 3, 1, 1, /**/ 4, 5, 6, /**/ 7, 6, 6}}};
}

Plan replicated(int nodes, int per_node, int ep) {
  Plan plan = testing::unchecked_plan_of(nodes, per_node, ep);
  plan.workload.global_batch = 4 * plan.layout.ranks;
  plan.placement = ep == 4 ? on_four() : on_two();
  return plan;
}

// Sums over ranks associate differently: f32 rounding, 6e-8 a sum, grows over 6 steps of AdamW to well below 2e-5.
void expect_losses_of_one_rank(const Plan& plan) {
  const std::vector<double> one = losses(testing::on_one_rank(plan)), many = losses(plan);
  for (size_t step = 0; step < one.size(); ++step)
    EXPECT_NEAR(many[step], one[step], 2e-5 * one[step]) << "step " << step;
}

/// tensors_after() compares those that hold an element.
void expect_equal_replicas(const Plan& plan) {
  check_plan(plan, "test");
  for (State state : {State::weight, State::first_moment, State::second_moment})
    testing::tensors_after(kSteps, state, plan, lower(plan));
}

struct ReplicasShape {
  int nodes, per_node, ep;
};
class Replicas : public ::testing::TestWithParam<ReplicasShape> {
 protected:
  Plan plan() const { return replicated(GetParam().nodes, GetParam().per_node, GetParam().ep); }
};

TEST_P(Replicas, TrainLikeOneRank) {
  expect_losses_of_one_rank(plan());
  testing::expect_gradients_of_one_rank(plan());
}

TEST_P(Replicas, KeepEqualStates) { expect_equal_replicas(plan()); }

TEST_P(Replicas, TrainWithZero) {
  for (int stage = 1; stage <= 3; ++stage) {
    Plan divided = plan();
    divided.layout.zero = stage;
    (stage < 3 ? divided.gradient_bucket_bytes : divided.fused_parameter_bytes) = 30'000;
    expect_losses_of_one_rank(divided);
    expect_equal_replicas(divided);
  }
}

// Bits of training in device memory: gradients leave per microbatch and are added up on the host, in the same order.
TEST_P(Replicas, TrainFromHostAndStorage) {
  Plan base = plan();
  base.cluster.storage_read_bytes_per_s = base.cluster.storage_write_bytes_per_s = 1e9;
  expect_losses_of_one_rank(base);
  for (const auto& [home, entries] : {std::pair{Tier::host, 0}, {Tier::storage, 0}, {Tier::storage, 3}})
    for (int ahead : {0, 1}) {
      Plan plan = base;
      plan.expert_storage.home = home;
      plan.expert_storage.cache_entries = entries;
      plan.prefetch.experts = ahead;
      expect_losses_of_one_rank(plan);
    }
}

// Chunks divide their rows among replicas each for itself, so other rows meet in a slot.
TEST_P(Replicas, TrainWithChunksBucketsAndRecompute) {
  const std::vector<double> expected = losses(plan());
  Plan plan = this->plan();
  plan.gradient_bucket_bytes = 40'000;
  if (GetParam().ep > GetParam().per_node) plan.dispatch.all_to_all = AllToAllKind::hierarchical_2d;
  EXPECT_EQ(losses(plan), expected);
  plan.layout.recompute = Recompute::full;
  EXPECT_EQ(losses(plan), expected);
  plan.dispatch.chunks = 3;
  expect_losses_of_one_rank(plan);
  expect_equal_replicas(plan);
}

INSTANTIATE_TEST_SUITE_P(Ranks, Replicas,
                         ::testing::Values(ReplicasShape{1, 2, 2}, ReplicasShape{1, 4, 2}, ReplicasShape{2, 2, 4},
                                           ReplicasShape{2, 4, 4}, ReplicasShape{1, 6, 2}));

TEST(Replicas, TrainInOneRankAlone) {
  Plan plan = testing::unchecked_plan_of(1, 1, 1);
  plan.placement.assign(2, {10, {0, 1, 2, 3, 4, 5, 6, 7, 3, 3}});
  expect_losses_of_one_rank(plan);
  expect_equal_replicas(plan);
}

// Two stages of four ranks with tensor parallelism, slices and recomputation; expert slices are what is replicated.
TEST(Replicas, TrainInPipelineStagesWithSlices) {
  Plan plan = testing::unchecked_plan_of(1, 8, 2);
  plan.layout.pp = 2;
  plan.layout.tp = 2;
  plan.layout.micro_batches = 4;
  plan.layout.expert_slices = 2;
  plan.layout.recompute = Recompute::communication_aware;
  plan.dispatch.chunks = 2;
  const std::vector<int> slots = {0, 1, 2, 3, 4, 5, 6, 7, 9, 11, /**/ 8, 9, 10, 11, 12, 13, 14, 15, 3, 3};
  plan.placement = {{10, slots}, {10, slots}};
  expect_losses_of_one_rank(plan);
  plan.layout.zero = 1;
  expect_losses_of_one_rank(plan);
  expect_equal_replicas(plan);
}

// Capacity that nothing exceeds: padding adds nothing, and all replicas have as many rows.
TEST(Replicas, TrainWithPaddedCapacity) {
  Plan plan = replicated(1, 4, 4);
  plan.dispatch.kind = DispatchKind::padded;
  plan.dispatch.capacity_factor = 8.0;
  expect_losses_of_one_rank(plan);
  expect_equal_replicas(plan);
  plan.expert_storage.home = Tier::host;
  expect_losses_of_one_rank(plan);
}

TEST(Replicas, KeepEqualStatesWithBf16Products) {
  Plan plan = replicated(1, 4, 2);
  plan.workload.compute_dtype = DType::bf16;
  expect_equal_replicas(plan);
}

// 4 tokens a rank: most experts have no rows in most steps, and a replica of one that has may have none. Those sleep
// together.
TEST(Replicas, SleepTogether) {
  Plan plan = replicated(1, 2, 2);
  plan.workload.global_batch = 2;
  plan.workload.sequence_length = 4;
  plan.layout.micro_batches = 1;
  plan.workload.optimizer.weight_decay = 0.5;
  const std::vector<double> expected = losses(plan);
  expect_losses_of_one_rank(plan);
  plan.expert_storage.home = Tier::host;
  EXPECT_EQ(losses(plan), expected);
  plan.expert_storage.home = Tier::storage;
  plan.cluster.storage_read_bytes_per_s = plan.cluster.storage_write_bytes_per_s = 1e9;
  plan.expert_storage.cache_entries = 3;
  EXPECT_EQ(losses(plan), expected);
}

// A state is saved once: the checkpoints of a placement with replicas and of one without have the same tensors, and a
// run goes on from either.
TEST(Replicas, ResumeOnOtherRanksAndSlots) {
  const TestFolder folder;
  Plan hosted = replicated(1, 4, 4), divided = replicated(1, 4, 2);
  hosted.expert_storage.home = Tier::host;
  divided.layout.zero = 3;
  std::vector<Plan> plans = {replicated(1, 2, 2),      replicated(1, 4, 4), testing::plan_of(1, 2, 2), hosted, divided,
                             testing::plan_of(1, 1, 1)};
  for (Plan& plan : plans) plan.workload.global_batch = 16;
  testing::expect_one_run_in_turns(plans, testing::plan_of(1, 1, 1), folder.path);
}

TEST(Replicas, ResumeBitForBit) {
  for (const Tier home : {Tier::device, Tier::host}) {
    const TestFolder folder;
    Plan plan = replicated(1, 4, 2);
    plan.expert_storage.home = home;
    const std::vector<double> expected = run(plan, "", 6, false).loss;
    std::vector<double> losses = run(plan, folder.path, 3, false).loss;
    const std::vector<double> rest = run(plan, folder.path, 6, true).loss;
    losses.insert(losses.end(), rest.begin(), rest.end());
    EXPECT_EQ(losses, expected);
  }
}

}  // namespace
}  // namespace moesaic::executor
