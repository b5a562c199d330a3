// However a batch or its tasks are shared out, the job trains what one rank trains.
#include <gtest/gtest.h>

#include "core/plan/plan.h"
#include "core/schema/documents.h"
#include "core/schema/error.h"
#include "executor/backend/slowed_backend.h"
#include "executor/comm/threads.h"
#include "executor/cpu/cpu_backend.h"
#include "tests/executor/checkpoint/toy_state.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor {
namespace {

constexpr int64_t kElasticSteps = 4;

using testing::corpus;

/// One node, 4 experts, 2 microbatches of 8 sequences of 16 tokens.
Plan elastic_plan(int ranks, int ep) {
  Plan plan = testing::unchecked_plan_of(1, ranks, ep);
  plan.model.num_experts = 4;
  return plan;
}

/// The same model with an expert per task instead of a router; SE-MoE's 512/256/128/128 scaled by 1/64.
Plan task_plan(const std::vector<Team>& teams) {
  int ranks = 0;
  for (const Team& team : teams) ranks += team.ranks;
  Plan plan = elastic_plan(ranks, ranks);
  plan.model.routed_by_task = true;
  plan.model.top_k = 1;
  plan.workload.tasks = {{"a", 8}, {"b", 4}, {"c", 2}, {"d", 2}};
  plan.elastic.teams = teams;
  return plan;
}

TrainResult result_of(const Plan& plan) {
  check_plan(plan, "test");
  TrainOptions options;
  options.steps = kElasticSteps;
  return train_on_threads(plan, corpus(), options);
}

// f32 sums in another order: 6e-8 a sum, grown over the steps.
void expect_same_losses(const Plan& plan, const Plan& reference) {
  const std::vector<double> expected = result_of(reference).loss, losses = result_of(plan).loss;
  for (size_t step = 0; step < losses.size(); ++step) EXPECT_NEAR(losses[step], expected[step], 2e-5 * expected[step]);
  EXPECT_LT(losses.back(), losses.front());
}

TEST(UnevenSplit, TrainsLikeOneRank) {
  const Plan one = elastic_plan(1, 1);
  for (const auto& [ep, shares] : std::vector<std::pair<int, std::vector<int64_t>>>{
           {1, {5, 3}}, {2, {7, 1}}, {2, {1, 4, 2, 1}}, {4, {1, 4, 2, 1}}}) {
    Plan uneven = elastic_plan(static_cast<int>(shares.size()), ep);
    uneven.elastic.sequences_per_rank = shares;
    expect_same_losses(uneven, one);
  }
}

// Chunks of an uneven rank are pieces of its own tokens; they change no bit.
TEST(UnevenSplit, ChunksAndBucketsChangeNoBit) {
  Plan plain = elastic_plan(4, 4);
  plain.elastic.sequences_per_rank = {1, 4, 2, 1};
  Plan chunked = plain;
  chunked.dispatch.chunks = 3;
  chunked.gradient_bucket_bytes = 40'000;
  EXPECT_EQ(result_of(chunked).loss, result_of(plain).loss);
}

// Factor 1, top 2 of 4 experts: a rank of 5 sequences of 16 tokens has room for 5 * 16 * 2 / 4 = 40 rows per expert,
// one of 3 for 24.
TEST(UnevenSplit, CapacityFollowsTheRanksOwnTokens) {
  Plan plan = elastic_plan(2, 2);
  plan.elastic.sequences_per_rank = {5, 3};
  plan.dispatch.kind = DispatchKind::padded;
  plan.dispatch.capacity_factor = 1.0;
  const RoutingDocument routing = result_of(plan).routing;
  int64_t most[2] = {0, 0};
  for (size_t i = 0; i < routing.counts.size(); ++i) most[i / 4 % 2] = std::max(most[i / 4 % 2], routing.counts[i]);
  EXPECT_EQ(most[0], 40);
  EXPECT_EQ(most[1], 24);
}

TEST(Tasks, TrainLikeOneRankHoweverTheyAreServed) {
  const Plan one = task_plan({{{0, 1, 2, 3}, 1}});
  for (const std::vector<Team>& teams : std::vector<std::vector<Team>>{
           {{{0}, 1}, {{1}, 1}, {{2}, 1}, {{3}, 1}},  // load imbalanced: 4/2/1/1 sequences a microbatch
           {{{0}, 4}, {{1}, 2}, {{2}, 1}, {{3}, 1}},  // balanced: one each
           {{{0}, 1}, {{1, 2, 3}, 1}},                // merged: a slot of rank 0 stays empty
           {{{0, 3}, 1}, {{1, 2}, 1}},
           {{{0, 1}, 2}, {{2, 3}, 1}}})  // split and merged
    expect_same_losses(task_plan(teams), one);
}

/// Trains `steps` steps more than the folder's checkpoint has.
std::vector<double> go_on(Plan plan, const std::string& folder, int64_t& done, int64_t steps) {
  check_plan(plan, "test");
  TrainOptions options;
  options.checkpoint = {folder, steps, done > 0};
  options.steps = done += steps;
  return train_on_threads(plan, corpus(), options).loss;
}

/// The losses of parts of two steps each, one plan after the other, against those of one rank that never stops.
void expect_same_job(const std::vector<Plan>& parts, const Plan& one) {
  const TestFolder folder;
  int64_t done = 0;
  std::vector<double> losses;
  for (const Plan& part : parts)
    for (double loss : go_on(part, folder.path, done, 2)) losses.push_back(loss);
  TrainOptions options;
  options.steps = done;
  const std::vector<double> expected = train_on_threads(one, corpus(), options).loss;
  ASSERT_EQ(losses.size(), expected.size());
  for (size_t step = 0; step < losses.size(); ++step) EXPECT_NEAR(losses[step], expected[step], 2e-5 * expected[step]);
}

// A job changes its split at a step boundary, from its checkpoint, on another number of ranks, and loses nothing.
TEST(UnevenSplit, ChangesInARunningJob) {
  Plan uneven = elastic_plan(2, 2), wider = elastic_plan(4, 2);
  uneven.elastic.sequences_per_rank = {5, 3};
  wider.elastic.sequences_per_rank = {1, 4, 2, 1};
  expect_same_job({elastic_plan(2, 1), uneven, wider}, elastic_plan(1, 1));
}

TEST(Tasks, ChangeTheirRanksInARunningJob) {
  expect_same_job({task_plan({{{0}, 1}, {{1}, 1}, {{2}, 1}, {{3}, 1}}),
                   task_plan({{{0}, 4}, {{1}, 2}, {{2}, 1}, {{3}, 1}}), task_plan({{{0}, 1}, {{1, 2, 3}, 1}})},
                  task_plan({{{0, 1, 2, 3}, 1}}));
}

// Rows of task t: its sequences of a microbatch times 16 tokens, on the ranks of its team alone.
TEST(Tasks, RecordWhatEachRankTrained) {
  const RoutingDocument routing = result_of(task_plan({{{0}, 2}, {{1}, 1}, {{2, 3}, 1}})).routing;
  EXPECT_EQ(routing.num_iterations, kElasticSteps * 2);
  const std::vector<int64_t> first(routing.counts.begin(), routing.counts.begin() + 16);
  EXPECT_EQ(first, (std::vector<int64_t>{32, 0, 0, 0, 32, 0, 0, 0, 0, 32, 0, 0, 0, 0, 16, 16}));
}

// A slower device computes the same bits.
TEST(Mixed, SlowDevicesTrainTheSame) {
  Plan plan = elastic_plan(2, 2);
  plan.elastic.sequences_per_rank = {5, 3};
  TrainOptions options;
  options.steps = kElasticSteps;
  std::vector<double> losses;
  run_on_threads(2, 2, [&](int rank, Transport& transport) {
    cpu::CpuBackend cores;
    SlowedBackend slowed(cores, rank == 0 ? 1 : 0.5);
    const TrainResult own = train(plan, rank, slowed, transport, corpus(), options);
    if (rank == 0) losses = own.loss;
  });
  EXPECT_EQ(losses, result_of(plan).loss);
}

TEST(Tasks, MissingOrDoubledAreRefused) {
  for (const std::vector<Team>& teams : std::vector<std::vector<Team>>{{{{0}, 1}, {{1}, 1}, {{2}, 1}},
                                                                       {{{0, 1}, 1}, {{1, 2, 3}, 1}},
                                                                       {{{0, 1, 2, 4}, 1}},
                                                                       {{{0, 1}, 1}, {{2}, 3}, {{3}, 1}}})
    EXPECT_THROW(check_plan(task_plan(teams), "test"), InputError);
  Plan shares = elastic_plan(2, 2);
  shares.elastic.sequences_per_rank = {5, 4};
  EXPECT_THROW(check_plan(shares, "test"), InputError);
  shares.elastic.sequences_per_rank = {8, 0};
  EXPECT_THROW(check_plan(shares, "test"), InputError);
}

}  // namespace
}  // namespace moesaic::executor
