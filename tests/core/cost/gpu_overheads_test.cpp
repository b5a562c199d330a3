#include "core/cost/gpu_overheads.h"

#include <gtest/gtest.h>

namespace moesaic {
namespace {

// Of a GPU and nothing else; a measured overhead stands in the interval's place, and a captured step launches once.
TEST(GpuOverheads, AreOfGpus) {
  Profile profile;
  profile.launch_interval_s = 4e-6, profile.collective_slowdown = 1.25;
  Device gpu, core;
  core.lanes_share_core = true;
  EXPECT_EQ(launch_interval(profile, gpu, WorkloadPhase::training), 4e-6);
  EXPECT_EQ(launch_interval(profile, gpu, WorkloadPhase::prefill), 4e-6);
  EXPECT_EQ(launch_interval(profile, gpu, WorkloadPhase::decode), 0);
  EXPECT_EQ(launch_interval(profile, core, WorkloadPhase::training), 0);
  EXPECT_EQ(collective_slowdown(profile, gpu), 1.25);
  EXPECT_EQ(collective_slowdown(profile, core), 1);
  profile.task_overhead_s = 3e-6;
  EXPECT_EQ(launch_interval(profile, gpu, WorkloadPhase::training), 0);
}

}  // namespace
}  // namespace moesaic
