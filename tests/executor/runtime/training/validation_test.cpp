// Validation computes what a training step computes before it learns, and leaves no trace in training.
#include <gtest/gtest.h>

#include <numeric>

#include "tests/executor/checkpoint/toy_state.h"
#include "tests/executor/runtime/training/newest_checkpoint.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor {
namespace {

using testing::newest;

struct ValidatedShape {
  const char* name;
  int ranks, ep;
  void (*change)(Plan& plan) = [](Plan&) {};
};

void move_experts(Plan& plan, Tier home, int64_t cache_entries) {
  plan.cluster.storage_read_bytes_per_s = plan.cluster.storage_write_bytes_per_s = 1e9;
  plan.expert_storage.home = home;
  plan.expert_storage.cache_entries = cache_entries;
  plan.prefetch.experts = 1;
}

const ValidatedShape kShapes[] = {
    {"one_rank", 1, 1},
    {"experts", 2, 2},
    {"tensors", 2, 1, [](Plan& plan) { plan.layout.tp = 2; }},
    {"stages", 4, 2, [](Plan& plan) { plan.layout.pp = 2; }},
    {"zero_1_buckets", 2, 2, [](Plan& plan) { plan.layout.zero = 1, plan.gradient_bucket_bytes = 30'000; }},
    {"zero_3_ahead", 4, 2,
     [](Plan& plan) { plan.layout.zero = 3, plan.fused_parameter_bytes = 30'000, plan.prefetch.dense = 1; }},
    {"recompute", 2, 1, [](Plan& plan) { plan.layout.recompute = Recompute::full; }},
    {"chunks", 2, 2, [](Plan& plan) { plan.dispatch.chunks = 2; }},
    {"host", 2, 1, [](Plan& plan) { move_experts(plan, Tier::host, 0); }},
    {"storage", 2, 2, [](Plan& plan) { move_experts(plan, Tier::storage, 3); }},
    {"storage_alone", 1, 1, [](Plan& plan) { move_experts(plan, Tier::storage, 0); }},
};

Plan validated_plan(const ValidatedShape& shape) {
  Plan plan = testing::plan_of(1, shape.ranks, shape.ep);
  plan.workload.optimizer.max_gradient_norm = 0.5;
  shape.change(plan);
  check_plan(plan, "test");
  return plan;
}

Corpus held_out() {
  std::vector<uint8_t> bytes;
  for (uint64_t i = 0; i < 2048; ++i) bytes.push_back(static_cast<uint8_t>('f' + splitmix64(i / 2) % 20));
  return Corpus(bytes);
}

TrainResult train_validated(const Plan& plan, const Corpus& corpus, const ValidationPolicy& validation, int64_t steps,
                            const CheckpointPolicy& checkpoint = {}) {
  TrainOptions options;
  options.steps = steps;
  options.validation = validation;
  options.checkpoint = checkpoint;
  return train_on_threads(plan, corpus, options);
}

class ValidationOf : public ::testing::TestWithParam<ValidatedShape> {};

// At a rate of 0 training changes nothing: the validation is the mean over training steps on the held-out text.
TEST_P(ValidationOf, IsTheLossOfATrainingStep) {
  Plan plan = validated_plan(GetParam());
  plan.workload.optimizer.learning_rate = 0;
  const Corpus text = held_out();
  const std::vector<double> losses = train_validated(plan, text, {}, 3).cross_entropy;
  const double mean = std::accumulate(losses.begin(), losses.end(), 0.0) / 3;
  const TrainResult result = train_validated(plan, testing::corpus(), {&text, 2, 3}, 3);
  EXPECT_EQ(result.validation, (std::vector<ValidationLoss>{{2, mean}, {3, mean}}));
}

TEST_P(ValidationOf, LeavesNoTrace) {
  const Plan plan = validated_plan(GetParam());
  const Corpus text = held_out();
  const TestFolder with, without, parted;
  const TrainResult plain = train_validated(plan, testing::corpus(), {}, 6, {without.path, 3});
  const TrainResult validated = train_validated(plan, testing::corpus(), {&text, 1, 2}, 6, {with.path, 3});
  EXPECT_EQ(validated.loss, plain.loss);
  EXPECT_EQ(validated.gradient_norm, plain.gradient_norm);
  EXPECT_EQ(validated.routing, plain.routing);
  EXPECT_EQ(newest(with.path), newest(without.path));
  ASSERT_EQ(validated.validation.size(), 6u);
  EXPECT_LT(validated.validation.back().cross_entropy, validated.validation.front().cross_entropy);
  // Three steps and three more from a checkpoint: the same losses on the held-out text as well.
  std::vector<ValidationLoss> both =
      train_validated(plan, testing::corpus(), {&text, 1, 2}, 3, {parted.path, 3}).validation;
  for (const ValidationLoss& loss :
       train_validated(plan, testing::corpus(), {&text, 1, 2}, 6, {parted.path, 3, true}).validation)
    both.push_back(loss);
  EXPECT_EQ(both, validated.validation);
  EXPECT_EQ(newest(parted.path), newest(without.path));
}

INSTANTIATE_TEST_SUITE_P(Plans, ValidationOf, ::testing::ValuesIn(kShapes),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace moesaic::executor
