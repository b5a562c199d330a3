#include "core/cost/assumptions.h"

#include <gtest/gtest.h>

#include "core/cost/plain_cost_model.h"

namespace moesaic {
namespace {

constexpr WorkloadPhase kTraining = WorkloadPhase::training;

TEST(Assumptions, AreNoneWhereEverythingWasMeasured) {
  Profile profile;
  profile.task_overhead_s = 1e-6;
  EXPECT_TRUE(assumptions_of(profile, {}, kTraining, {{"measured", 7}, {"extrapolated", 2}, {"scaled", 1}}).empty());
  EXPECT_TRUE(assumptions_of(Profile{}, {}, kTraining, {}).empty());
}

TEST(Assumptions, OfAPlainProfileAreAll) {
  const std::vector<Assumption> expected = {
      {"flops_efficiency", 0.5, 12, "GPT training at 44 to 52 % of an A100's peak, arXiv 2104.04473, table 1"},
      {"bandwidth_efficiency", 0.5, 12, "a guess without a source"},
      {"launch_interval_s", 5e-6, 0, "4 to 6 us of driver and runtime"},
      {"link_efficiency", 1, 3, "no curve of the collective: the cluster document's rates and latencies"}};
  EXPECT_EQ(assumptions_of(plain_profile({}), {}, kTraining, {{"roofline", 12}, {"alpha_beta", 3}}), expected);
}

// Links that are said to reach less than their rates; cards only where there are other nodes.
TEST(Assumptions, NameTheSharesOfLinks) {
  Profile profile;
  profile.task_overhead_s = 1e-6, profile.collective_slowdown = 1;
  Cluster cluster;
  cluster.intra_node.efficiency = 0.75, cluster.nic.efficiency = 0.875;
  std::vector<Assumption> expected = {{"link_efficiency", 0.75, 3, "ports of devices: NCCL and DeepEP"}};
  EXPECT_EQ(assumptions_of(profile, cluster, kTraining, {{"alpha_beta", 3}}), expected);
  cluster.num_nodes = 2;
  expected.push_back({"link_efficiency", 0.875, 3, "network cards: NCCL and DeepEP"});
  EXPECT_EQ(assumptions_of(profile, cluster, kTraining, {{"alpha_beta", 3}}), expected);
}

// Rooflines beside curves stand on the profile's own shares, and say whose they are where they are not the defaults.
TEST(Assumptions, NameTheProfileThatStatesThem) {
  Profile profile;
  profile.name = "mine", profile.task_overhead_s = 1e-6, profile.assumed_flops_efficiency = 0.75;
  const std::vector<Assumption> expected = {{"flops_efficiency", 0.75, 1, "profile mine"},
                                            {"bandwidth_efficiency", 0.7, 1, "a guess without a source"}};
  EXPECT_EQ(assumptions_of(profile, {}, kTraining, {{"measured", 7}, {"roofline", 1}}), expected);
}

// Of two curves one was measured on another device; nothing is assumed of tasks that none of them prices.
TEST(Assumptions, CountAssumedCurves) {
  Profile profile;
  profile.task_overhead_s = 1e-6;
  profile.operators.resize(2);
  profile.operators[1].provenance = Provenance::assumed;
  const std::vector<Assumption> expected = {
      {"assumed_curves", 1, 0, "measured on another device or before a rate was edited"}};
  EXPECT_EQ(assumptions_of(profile, {}, kTraining, {{"measured", 7}, {"scaled", 1}}), expected);
  EXPECT_TRUE(assumptions_of(profile, {}, kTraining, {{"measured", 7}}).empty());
}

TEST(Assumptions, OfCurvesWithoutAnOverheadAreFreeLaunches) {
  const std::vector<Assumption> expected = {{"task_overhead_s", 0, 0, "nobody measured it"}};
  Cluster cores;
  cores.device.lanes_share_core = true;
  EXPECT_EQ(assumptions_of(Profile{}, cores, kTraining, {{"measured", 7}}), expected);
  Profile free_launches;
  free_launches.launch_interval_s = 0;
  EXPECT_EQ(assumptions_of(free_launches, {}, kTraining, {{"measured", 7}}), expected);
  const std::vector<Assumption> replayed = {{"task_overhead_s", 0, 0, "engines replay decode as captured graphs"}};
  EXPECT_EQ(assumptions_of(Profile{}, {}, WorkloadPhase::decode, {{"measured", 7}}), replayed);
}

// Several GPUs communicate; figures of the profile's own are said to be.
TEST(Assumptions, NameLaunchesAndInterferenceOfGpus) {
  Profile profile;
  profile.name = "mine", profile.launch_interval_s = 4e-6;
  Cluster cluster;
  cluster.devices_per_node = 8;
  std::vector<Assumption> expected = {
      {"launch_interval_s", 4e-6, 0, "profile mine"},
      {"collective_slowdown", 1.18, 0, "DeepSeek-V3: 20 of 132 multiprocessors communicate, arXiv 2412.19437"}};
  EXPECT_EQ(assumptions_of(profile, cluster, kTraining, {{"measured", 7}}), expected);
  profile.collective_slowdown = 1;
  expected.pop_back();
  EXPECT_EQ(assumptions_of(profile, cluster, kTraining, {{"measured", 7}}), expected);
}

}  // namespace
}  // namespace moesaic
