#include "core/cost/plain_cost_model.h"

#include <gtest/gtest.h>

#include "core/cost/cost_model.h"

namespace moesaic {
namespace {

TEST(PlainCostModel, PricesByPeakRatesAlone) {
  Cluster cluster;
  cluster.device = {"device", 1'000'000'000, 100e9, 1e12, 4e12, false};
  const CostModel model(plain_profile(cluster), cluster);
  Task linear;
  linear.op = Op::linear;
  linear.shape = {.n = 256, .k = 128};
  // 2 * 1024 * 256 * 128 = 67108864 FLOP at half of 1e12.
  EXPECT_DOUBLE_EQ(model.compute(linear, 1024).seconds, 134.217728e-6);
  EXPECT_EQ(model.compute(linear, 1024).basis, Basis::roofline);
  // 1 row: 4 (128 + 256 * 128 + 256) = 132608 bytes at half of 100e9.
  EXPECT_DOUBLE_EQ(model.compute(linear, 1).seconds, 2.65216e-6);
  EXPECT_EQ(model.task_overhead(), 0);
  EXPECT_EQ(model.collective_curve(Op::all_reduce, 8, true), nullptr);
}

TEST(PlainCostModel, TakesAnotherEfficiency) {
  const Profile profile = plain_profile({}, 0.25);
  EXPECT_EQ(profile.assumed_flops_efficiency, 0.25);
  EXPECT_EQ(profile.assumed_bandwidth_efficiency, 0.25);
}

}  // namespace
}  // namespace moesaic
