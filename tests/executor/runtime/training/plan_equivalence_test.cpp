// Any valid plan trains what one rank trains: same losses within rounding, and the same bits across the bit-neutral
// fields.
#include <gtest/gtest.h>

#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor {
namespace {

using testing::corpus;
using testing::kSteps;
using testing::losses;
using testing::plan_of;

struct LayoutShape {
  int nodes, per_node, ep;
};

class Layouts : public ::testing::TestWithParam<LayoutShape> {};

// Sums over ranks associate differently: f32 rounding, 6e-8 a sum, grows over 6 steps of AdamW to well below 2e-5.
TEST_P(Layouts, TrainLikeOneRank) {
  const LayoutShape shape = GetParam();
  const std::vector<double> one = losses(plan_of(1, 1, 1)),
                            many = losses(plan_of(shape.nodes, shape.per_node, shape.ep));
  for (size_t step = 0; step < one.size(); ++step)
    EXPECT_NEAR(many[step], one[step], 2e-5 * one[step]) << "step " << step;
  EXPECT_LT(one.back(), one.front());
}

INSTANTIATE_TEST_SUITE_P(Ranks, Layouts,
                         ::testing::Values(LayoutShape{1, 2, 1}, LayoutShape{1, 2, 2}, LayoutShape{1, 4, 2},
                                           LayoutShape{1, 4, 4}, LayoutShape{2, 2, 4}, LayoutShape{1, 8, 8},
                                           LayoutShape{2, 4, 8}, LayoutShape{4, 2, 4}, LayoutShape{8, 1, 8}));

class BitNeutral : public ::testing::TestWithParam<LayoutShape> {};

/// The fields that docs/bit_neutral.md lists, each changed alone and then all together.
TEST_P(BitNeutral, FieldsChangeNoBit) {
  const LayoutShape shape = GetParam();
  const Plan base = plan_of(shape.nodes, shape.per_node, shape.ep);
  const std::vector<double> expected = losses(base);
  Plan chunks = base, buckets = base, both = base;
  chunks.dispatch.chunks = 3;
  buckets.gradient_bucket_bytes = 40'000;
  both.dispatch.chunks = 2;
  both.gradient_bucket_bytes = 1'000'000;
  if (shape.ep > shape.per_node) both.dispatch.all_to_all = AllToAllKind::hierarchical_2d;
  check_plan(both, "test");
  Plan late = buckets, separate = base;
  late.gradient_reduction = GradientReduction::after_backward;
  separate.optimizer_passes = OptimizerPasses::separate;
  EXPECT_EQ(losses(late), expected);
  EXPECT_EQ(losses(separate), expected);
  EXPECT_EQ(losses(chunks), expected);
  EXPECT_EQ(losses(buckets), expected);
  EXPECT_EQ(losses(both), expected);
}

TEST_P(BitNeutral, HierarchicalAllToAllChangesNoBit) {
  const LayoutShape shape = GetParam();
  if (shape.ep <= shape.per_node) GTEST_SKIP() << "one node: there is no hierarchy";
  const Plan flat = plan_of(shape.nodes, shape.per_node, shape.ep);
  Plan hierarchical = flat;
  hierarchical.dispatch.all_to_all = AllToAllKind::hierarchical_2d;
  EXPECT_EQ(losses(hierarchical), losses(flat));
}

// Placement decides where experts live, not what they compute: with one group per job every expert sees the same rows
// in the same order.
TEST_P(BitNeutral, PlacementChangesNoBit) {
  const LayoutShape shape = GetParam();
  const Plan contiguous = plan_of(shape.nodes, shape.per_node, shape.ep);
  Plan shuffled = contiguous;
  shuffled.placement.assign(2, {8 / shape.ep, {5, 2, 7, 0, 1, 6, 3, 4}});
  EXPECT_EQ(losses(shuffled), losses(contiguous));
}

INSTANTIATE_TEST_SUITE_P(Ranks, BitNeutral,
                         ::testing::Values(LayoutShape{1, 2, 2}, LayoutShape{1, 4, 2}, LayoutShape{2, 2, 4},
                                           LayoutShape{4, 2, 8}, LayoutShape{8, 1, 8}));

// Capacity 8 experts * 2 choices: 64 tokens per rank and microbatch at 2 ranks send 128 rows, 16 per expert on average;
// factor 1 drops what exceeds it.
TEST(Padded, TrainsAndDropsWhatExceedsCapacity) {
  Plan plan = plan_of(1, 2, 2);
  plan.dispatch.kind = DispatchKind::padded;
  plan.dispatch.capacity_factor = 1.0;
  TrainOptions options;
  options.steps = kSteps;
  const TrainResult result = train_on_threads(plan, corpus(), options);
  EXPECT_LT(result.loss.back(), result.loss.front());
  EXPECT_EQ(*std::max_element(result.routing.counts.begin(), result.routing.counts.end()), 16);
}

// A capacity that nothing exceeds drops nothing; padding rows are zero and add nothing, but products of more rows may
// round apart.
TEST(Padded, RoomyCapacityTrainsLikeDropless) {
  Plan plan = plan_of(1, 2, 2);
  const std::vector<double> dropless = losses(plan);
  plan.dispatch.kind = DispatchKind::padded;
  plan.dispatch.capacity_factor = 8.0;
  const std::vector<double> padded = losses(plan);
  for (size_t step = 0; step < dropless.size(); ++step)
    EXPECT_NEAR(padded[step], dropless[step], 2e-5 * dropless[step]);
}

// Products with masks drop the same choices and sum the same rows, among zeros.
TEST(Padded, MasksTrainLikePermutation) {
  for (const double capacity : {0.5, 1.0, 8.0}) {
    Plan plan = plan_of(1, 2, 2);
    plan.dispatch.kind = DispatchKind::padded;
    plan.dispatch.capacity_factor = capacity;
    const std::vector<double> by_index = losses(plan);
    plan.dispatch.kernel = RowKernel::einsum;
    const std::vector<double> by_masks = losses(plan);
    for (size_t step = 0; step < by_index.size(); ++step)
      EXPECT_NEAR(by_masks[step], by_index[step], 2e-5 * by_index[step]) << capacity;
  }
}

TEST(Precision, Bf16LearnsLikeF32) {
  Plan plan = plan_of(1, 2, 2);
  const std::vector<double> f32 = losses(plan);
  plan.workload.compute_dtype = DType::bf16;
  const std::vector<double> bf16 = losses(plan);
  // bf16 keeps 8 bits: relative rounding 2^-9 = 2e-3 per operand.
  for (size_t step = 0; step < f32.size(); ++step) EXPECT_NEAR(bf16[step], f32[step], 4e-3 * f32[step]);
  EXPECT_NE(bf16, f32);
}

TEST(Training, BeatsTheBigramModelOfItsCorpus) {
  Plan plan = plan_of(1, 1, 1);
  plan.workload.sequence_length = 32;
  plan.workload.optimizer.learning_rate = 3e-3;
  std::vector<uint8_t> bytes;  // period 97 of 12 letters: the next byte follows from a few before it, not from one
  for (uint64_t i = 0; i < 4096; ++i) bytes.push_back(static_cast<uint8_t>('a' + splitmix64(i % 97) % 12));
  const Corpus text(bytes);
  TrainOptions options;
  options.steps = 400;
  EXPECT_LT(train_on_threads(plan, text, options).cross_entropy.back(), *text.bigram_entropy());
}

}  // namespace
}  // namespace moesaic::executor
