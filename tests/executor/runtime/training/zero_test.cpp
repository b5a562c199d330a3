// ZeRO divides training states and fuses communication; it changes what is stored where, not what is computed.
#include <gtest/gtest.h>

#include "tests/executor/runtime/training/counted_peak.h"
#include "tests/executor/runtime/training/small_training.h"

namespace moesaic::executor {
namespace {

using testing::losses;
using testing::plan_of;

struct ZeroCase {
  int nodes, per_node, ep;
};
class Zero : public ::testing::TestWithParam<ZeroCase> {};

Plan staged(const Plan& base, int stage, Bytes fused, int ahead) {
  Plan plan = base;
  plan.layout.zero = stage;
  if (stage < 3) {
    plan.gradient_bucket_bytes = fused;
  } else {
    plan.fused_parameter_bytes = fused;
    plan.prefetch.dense = ahead;
  }
  return plan;
}

// A reduce-scatter adds in rank order, as the all-reduce does, and AdamW works element by element.
TEST_P(Zero, ChangesNoBitOfOneMicrobatch) {
  const ZeroCase c = GetParam();
  Plan base = plan_of(c.nodes, c.per_node, c.ep);
  base.layout.micro_batches = 1;
  const std::vector<double> expected = losses(base);
  for (int stage = 1; stage <= 3; ++stage)
    for (Bytes fused : {Bytes{0}, Bytes{30'000}, Bytes{10'000'000}})
      for (int ahead : {0, 1, 5}) {
        if (stage < 3 && ahead > 0) continue;
        EXPECT_EQ(losses(staged(base, stage, fused, ahead)), expected)
            << "stage " << stage << ", " << fused << " bytes, " << ahead << " ahead";
      }
}

// With two microbatches stages 2 and 3 add over ranks first and over microbatches then: f32 rounding (see Layouts).
TEST_P(Zero, AddsMicrobatchesInAnotherOrder) {
  const ZeroCase c = GetParam();
  const Plan base = plan_of(c.nodes, c.per_node, c.ep);
  const std::vector<double> expected = losses(base);
  EXPECT_EQ(losses(staged(base, 1, 30'000, 0)), expected);
  const std::vector<double> two = losses(staged(base, 2, 30'000, 0));
  for (size_t step = 0; step < two.size(); ++step) EXPECT_NEAR(two[step], expected[step], 2e-5 * expected[step]);
  EXPECT_EQ(losses(staged(base, 3, 30'000, 1)), two);
  EXPECT_EQ(losses(staged(base, 3, 0, 0)), two);
}

INSTANTIATE_TEST_SUITE_P(Ranks, Zero, ::testing::Values(ZeroCase{1, 2, 2}, ZeroCase{1, 4, 2}, ZeroCase{2, 2, 4}));

// 73,664 elements (dense 24,512, experts 49,152), all on 4 ranks: stages leave a quarter of the moments (8 bytes), of
// the gradients and of the weights (4 bytes each). What ranks wait for each other with moves the peak of a run by less
// than 1 %.
TEST(ZeroMemory, FallsFromStageToStage) {
  const Plan base = plan_of(1, 4, 1);
  TrainOptions options;
  options.steps = 2;
  std::vector<Bytes> resident;
  for (int stage = 0; stage <= 3; ++stage) {
    const Plan plan = staged(base, stage, 30'000, 0);
    resident.push_back(resident_bytes(lower(plan)));
    const TrainResult result = train_on_threads(plan, testing::corpus(), options);
    const auto counted = static_cast<double>(testing::counted_peak(plan, result.routing));
    EXPECT_NEAR(static_cast<double>(result.memory.device_bytes), counted, 0.01 * counted) << "stage " << stage;
  }
  EXPECT_EQ(resident[0] - resident[1], 73'664 * 8 * 3 / 4);
  EXPECT_EQ(resident[1] - resident[2], 73'664 * 4 * 3 / 4);
  EXPECT_EQ(resident[2] - resident[3], 73'664 * 4 * 3 / 4);
}

}  // namespace
}  // namespace moesaic::executor
