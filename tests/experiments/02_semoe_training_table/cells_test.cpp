#include "experiments/02_semoe_training_table/cells.h"

#include <gtest/gtest.h>

#include "core/graph/memory.h"
#include "core/technique/lower.h"
#include "tests/experiments/02_semoe_training_table/table_row.h"

namespace moesaic::experiments {
namespace {

using testing::paper_row;
using testing::preset;

Unknowns with_scores() {
  Unknowns unknowns;
  unknowns.keeps_scores = true;
  return unknowns;
}

Bytes peak_of_rank(const Plan& plan) { return memory_peak(lower(plan), RoutingBinding(plan), 0, 0).bytes; }

// 12 layers * 64 heads * 1024 queries * 1024 keys * 5 bytes, all alive where backward starts.
TEST(Cells, ScoresAreKeptByEveryLayer) {
  const planner::Problem row = paper_row("13.9b", "1x8", "8");
  const Plan plan = cell_plan(row, preset("semoe"), with_scores());
  EXPECT_EQ(kept_score_bytes(plan, with_scores()), 4'026'531'840);
  EXPECT_EQ(kept_score_bytes(plan, {}), 0);
}

// 64 heads * 1024 * 1024 scores. Forward: 4 * 64 FLOP each at half of 312 TFLOP/s, 13 bytes at half of 2039 GB/s:
// 0.110 + 0.856 ms; backward twice the arithmetic and 19 bytes: 0.220 + 1.251 ms. Both stand in the profile as assumed.
TEST(Cells, SeparateAttentionMovesItsScores) {
  const planner::Problem row = paper_row("13.9b", "1x8", "8");
  const Plan plan = cell_plan(row, preset("semoe"), with_scores());
  EXPECT_NEAR(separate_attention_seconds(plan, 1, false), 0.966e-3, 1e-6);
  EXPECT_NEAR(separate_attention_seconds(plan, 1, true), 1.471e-3, 1e-6);
  ASSERT_EQ(plan.profile.operators.size(), 2u);
  EXPECT_EQ(plan.profile.operators[0].op, "attention");
  EXPECT_EQ(plan.profile.operators[1].seconds, std::vector<Seconds>{separate_attention_seconds(plan, 1, true)});
  EXPECT_EQ(plan.profile.operators[0].provenance, Provenance::assumed);
  EXPECT_TRUE(cell_plan(row, preset("semoe"), {}).profile.operators.empty());
}

planner::Fixed deepspeed_with(OptimizerPasses passes) {
  planner::Fixed fixed = preset("deepspeed_moe");
  fixed.set(&OptimizerStep::optimizer_passes, passes);
  return fixed;
}

// D = 1.011e9 dense parameters on 8 ranks: ZeRO-3 leaves 16 D / 8 of 16 D bytes, and gathers two layers and the
// embedding for a while (0.13e9 each, 0.41e9).
TEST(Cells, DividedDenseStatesSaveMostOf16BytesPerParameter) {
  const planner::Problem row = paper_row("13.9b", "1x8", "8");
  const Bytes replicated = peak_of_rank(cell_plan(row, deepspeed_with(OptimizerPasses::fused), {}));
  const Bytes divided = peak_of_rank(cell_plan(row, preset("semoe"), {}));
  EXPECT_GT(replicated - divided, 12'500'000'000);
  EXPECT_LT(replicated - divided, 14'160'000'000);
}

// Of 1.0116e9 dense parameters and one expert in each of 12 layers, 12 * 8 * 4096^2, a rank has 2.622e9: 16 bytes of
// states and 4 of copies are more than the activations of 1,024 tokens add to the states.
TEST(Cells, CopiesOfGradientsMakeTwentyBytesPerParameterThePeak) {
  const planner::Problem row = paper_row("13.9b", "1x8", "8");
  const Bytes separate = peak_of_rank(cell_plan(row, deepspeed_with(OptimizerPasses::separate), {}));
  const ParameterCount count = count_parameters(row.model);
  const auto parameters = static_cast<double>(count.dense + count.sparse / 8);
  EXPECT_NEAR(static_cast<double>(separate) / parameters, 20, 0.4);
}

TEST(Cells, TakeTheUnknowns) {
  const planner::Problem row = paper_row("104.1b", "8x8", "64");
  const Unknowns unknowns{2048, 2, 1.5, 6.25e9, false};
  const Plan plan = cell_plan(row, preset("deepspeed_moe"), unknowns);
  EXPECT_EQ(plan.workload.sequence_length, 2048);
  EXPECT_EQ(plan.model.top_k, 2);
  EXPECT_EQ(plan.dispatch.capacity_factor, 1.5);
  EXPECT_EQ(plan.cluster.nic.bandwidth_bytes_per_s, 6.25e9);
  EXPECT_EQ(cell_plan(row, preset("semoe"), unknowns).dispatch.capacity_factor, 0) << "ragged";
}

TEST(Cells, OneGroupOverAllDevices) {
  const Plan one = cell_plan(paper_row("13.9b", "1x8", "8"), preset("semoe"), {});
  const Plan two = cell_plan(paper_row("26.8b", "2x8", "16"), preset("semoe"), {});
  EXPECT_EQ(one.layout.ep, 8);
  EXPECT_EQ(one.layout.zero, 3);
  EXPECT_EQ(one.dispatch.all_to_all, AllToAllKind::flat);  // nothing to be hierarchical about
  EXPECT_EQ(two.layout.ep, 16);
  EXPECT_EQ(two.dispatch.all_to_all, AllToAllKind::hierarchical_2d);
  EXPECT_EQ(cell_plan(paper_row("26.8b", "2x8", "16"), preset("deepspeed_moe"), {}).layout.zero, 0);
}

}  // namespace
}  // namespace moesaic::experiments
