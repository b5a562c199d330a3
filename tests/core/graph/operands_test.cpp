#include "core/graph/operands.h"

#include <gtest/gtest.h>

#include "core/operators/experts.h"
#include "core/operators/norms.h"
#include "core/operators/optimizer.h"
#include "core/schema/error.h"

namespace moesaic {
namespace {

using Ids = std::vector<TensorId>;

Task task_of(Op op, Ids reads, Ids writes) {
  Task task;
  task.op = op, task.reads = std::move(reads), task.writes = std::move(writes);
  return task;
}

TEST(Operands, StandInTheirPlacesInWhateverOrderTheyAreNamed) {
  using operands::NormBackward;
  EXPECT_EQ(in_places({{NormBackward::gain_bias, 13},
                       {NormBackward::dy, 10},
                       {NormBackward::statistics, 12},
                       {NormBackward::x, 11}}),
            (Ids{10, 11, 12, 13}));
  EXPECT_EQ(in_places({}), Ids{});
}

// Left out, named twice, not made yet.
TEST(Operands, AreAllNamedOnce) {
  using operands::Norm;
  EXPECT_THROW(in_places({{Norm::gain_bias, 1}}), InvariantError);
  EXPECT_THROW(in_places({{Norm::x, 1}, {Norm::x, 2}}), InvariantError);
  EXPECT_THROW(in_places({{Norm::x, 1}, {Norm::gain_bias, -1}}), InvariantError);
}

// x, counts, then pairs; counts, then four per chunk; a gradient, and three of what an update writes, per parameter.
TEST(Operands, RepeatPerWindowChunkAndParameter) {
  using operands::AdamW, operands::Experts, operands::ExpertsDgrad, operands::ExpertsWgrad;
  EXPECT_EQ(Experts::of_window(0, Experts::up), 2u);
  EXPECT_EQ(Experts::of_window(1, Experts::down), 5u);
  EXPECT_EQ(ExpertsDgrad::of_window(1, ExpertsDgrad::up), 5u);
  EXPECT_EQ(ExpertsWgrad::of_chunk(0, ExpertsWgrad::x), 1u);
  EXPECT_EQ(ExpertsWgrad::of_chunk(2, ExpertsWgrad::du), 12u);
  EXPECT_EQ(AdamW::of_parameter(2, AdamW::gradient), 2u);
  EXPECT_EQ(AdamW::of_parameter(2, AdamW::moments), 7u);
}

TEST(Operands, HaveNamesThatHoldForSeveralOperators) {
  const Task sum = task_of(Op::all_reduce, {4}, {4}), update = task_of(Op::adamw, {5}, {6, 7, 5}),
             fetch = task_of(Op::fetch_experts, {8}, {9, 10}), host = task_of(Op::update_experts, {1, 2, 3}, {4}),
             router = task_of(Op::router, {1, 2}, {3, 4, 5}), gather = task_of(Op::all_gather, {5}, {6}),
             regroup = task_of(Op::regroup, {7, 6}, {8});
  EXPECT_EQ(gradient_of(sum), 4);
  EXPECT_EQ(gradient_of(update), 5);
  EXPECT_EQ(gradient_of(router), -1);
  EXPECT_EQ(load_before(fetch), 8);
  EXPECT_EQ(load_before(host), 3);
  EXPECT_EQ(counts_made_by(router), 5);
  EXPECT_EQ(counts_made_by(gather), 6);
  EXPECT_EQ(input_of(regroup), 7);
  EXPECT_EQ(output_of(regroup), 8);
}

}  // namespace
}  // namespace moesaic
