#include "experiments/02_semoe_training_table/cells.h"

#include <gtest/gtest.h>

#include "tests/experiments/02_semoe_training_table/table_row.h"

namespace moesaic::experiments {
namespace {

using testing::paper_row;
using testing::preset;

// 12 layers * 64 heads * 1024 queries * 1024 keys * 5 bytes, all alive where backward starts.
TEST(Cells, ScoresAreKeptByEveryLayer) {
  Constants constants;
  constants.kept_bytes_per_score = 5;
  const Plan plan = cell_plan(paper_row("13.9b", "1x8", "8"), preset("deepspeed_moe"), constants);
  EXPECT_EQ(kept_score_bytes(plan, constants), 4'026'531'840);
  constants.kept_bytes_per_score = 0;
  EXPECT_EQ(kept_score_bytes(plan, constants), 0);
}

// D = 1.011e9 dense parameters on 8 ranks: ZeRO-3 leaves 16 D / 8 of 16 D bytes, and gathers two layers and the
// embedding for a while (0.13e9 each, 0.41e9).
TEST(Cells, DividedDenseStatesSaveMostOf16BytesPerParameter) {
  const planner::Problem row = paper_row("13.9b", "1x8", "8");
  const Constants constants;
  const Bytes replicated = program_order_peak(cell_plan(row, preset("deepspeed_moe"), constants), constants);
  const Bytes divided = program_order_peak(cell_plan(row, preset("semoe"), constants), constants);
  EXPECT_GT(replicated - divided, 12'500'000'000);
  EXPECT_LT(replicated - divided, 14'160'000'000);
}

// Cards of 12.5 GB/s and ports of 300 GB/s at a half; 8 cards of a rail over 4 times less: 8 * 6.25 / 4.
TEST(Cells, LinksAreDerated) {
  const planner::Problem row = paper_row("104.1b", "8x8", "64");
  const Constants constants{2048, 0, 0.25, 0.5, 4};
  const Plan plan = cell_plan(row, preset("semoe"), constants);
  EXPECT_DOUBLE_EQ(plan.cluster.nic.bandwidth_bytes_per_s, 6.25e9);
  EXPECT_DOUBLE_EQ(plan.cluster.intra_node.bandwidth_bytes_per_s, 150e9);
  EXPECT_DOUBLE_EQ(plan.cluster.spine.bandwidth_bytes_per_s, 12.5e9);
  EXPECT_DOUBLE_EQ(plan.profile.assumed_flops_efficiency, 0.25);
  EXPECT_EQ(plan.workload.sequence_length, 2048);
  EXPECT_FALSE(cell_plan(row, preset("semoe"), {2048, 0, 0.25, 0.5, 1}).cluster.spine.present());
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
