// How ranks find each other and which communicators a graph's families get, on a table that writes down its calls.

#include "executor/nccl/nccl_world.h"

#include <gtest/gtest.h>

#include <numeric>

#include "core/schema/error.h"
#include "executor/nccl/own_devices.h"
#include "tests/executor/comm/local_ranks.h"
#include "tests/executor/device_comm/late_device.h"
#include "tests/executor/nccl/fake_nccl.h"

namespace moesaic::executor {
namespace {

std::vector<int> all_ranks(int count) {
  std::vector<int> ranks(static_cast<size_t>(count));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

/// Of a rank's groups, one for each family.
std::vector<std::unique_ptr<Communicator>> communicators(Transport& transport,
                                                         const std::vector<std::vector<int>>& groups) {
  std::vector<std::unique_ptr<Communicator>> result;
  for (const std::vector<int>& members : groups)
    result.push_back(std::make_unique<Communicator>(transport, members, 1 + static_cast<int>(result.size())));
  return result;
}

TEST(OwnDevices, NamesTheFirstRanksThatShareOne) {
  const std::vector<std::string> own{"GPU a", "GPU b"}, shared{"GPU a", "GPU b", "GPU b"};
  EXPECT_NO_THROW(require_own_devices(own, 22809, false));
  try {
    require_own_devices(shared, 22809, false);
    FAIL() << "ranks 1 and 2 share GPU b";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(),
                 "--communicator nccl: ranks 1 and 2 both have GPU b; expected one GPU for every rank; leave "
                 "--communicator out, or start one rank for every GPU");
  }
}

// NCCL_MULTI_RANK_GPU_ENABLE exists from 2.30 on: before, it changes nothing.
TEST(OwnDevices, MayBeSharedWithNccl230WhereThatIsEnabled) {
  const std::vector<std::string> shared{"GPU a", "GPU a"};
  EXPECT_NO_THROW(require_own_devices(shared, 23000, true));
  EXPECT_THROW(require_own_devices(shared, 23000, false), InputError);
  EXPECT_THROW(require_own_devices(shared, 22907, true), InputError);
}

// 4 ranks on 2 nodes of 2. "node" and "rail" are split off the world; a second family with the same groups and one of
// all ranks need nothing new.
TEST(NcclWorld, SplitsOneCommunicatorForEveryWayToGroupRanks) {
  LocalWorld world(4);
  run_ranks(world, [](Transport& transport) {
    FakeNccl fake;
    LateDevice device;
    Communicator control(transport, all_ranks(4), 0);
    const int me = control.rank();
    NcclWorld nccl(FakeNccl::api(), control, device, {nullptr, "GPU " + std::to_string(me), 10});
    EXPECT_EQ(fake.taken(), Calls{"Init c1: rank " + std::to_string(me) + " of 4"});

    const std::vector<int> node{me / 2 * 2, me / 2 * 2 + 1}, rail{me % 2, me % 2 + 2};
    const auto families = communicators(transport, {node, rail, all_ranks(4), rail});
    const auto groups = nccl.groups(families);
    const std::string key = ", key " + std::to_string(me);
    EXPECT_EQ(fake.taken(), (Calls{"Split c1 -> c2: colour " + std::to_string(me / 2 * 2) + key,
                                   "Split c1 -> c3: colour " + std::to_string(me % 2) + key}));

    EXPECT_EQ(groups[1]->size(), 2);
    EXPECT_EQ(groups[1]->rank(), me / 2);
    EXPECT_EQ(groups[1]->transport_rank(0), me % 2);
    EXPECT_EQ(groups[1]->transport_rank(1), me % 2 + 2);
    EXPECT_EQ(groups[2]->rank(), me);

    float value = 0;
    for (const auto& group : groups) (void)group->all_reduce(&value, 1, SumType::f32);
    EXPECT_EQ(fake.taken(),
              (Calls{"AllReduce c2: 1 f32", "AllReduce c3: 1 f32", "AllReduce c1: 1 f32", "AllReduce c3: 1 f32"}));
  });
}

// Ranks 0 and 1 are alike in both families, but ranks 2 and 3 are not: all must split twice.
TEST(NcclWorld, SplitsAgainWhereOtherRanksGroupDifferently) {
  LocalWorld world(4);
  run_ranks(world, [](Transport& transport) {
    FakeNccl fake;
    LateDevice device;
    Communicator control(transport, all_ranks(4), 0);
    const int me = control.rank();
    NcclWorld nccl(FakeNccl::api(), control, device, {nullptr, "GPU " + std::to_string(me), 10});
    const std::vector<int> first = me < 2 ? std::vector<int>{0, 1} : std::vector<int>{2, 3};
    const std::vector<int> second = me < 2 ? std::vector<int>{0, 1} : std::vector<int>{me};
    const auto groups = nccl.groups(communicators(transport, {first, second}));
    EXPECT_EQ(fake.count("Split"), 2);
    EXPECT_EQ(groups[1]->size(), me < 2 ? 2 : 1);
  });
}

TEST(NcclWorld, RefusesGroupsThatOverlap) {
  LocalWorld world(3);
  run_ranks(world, [](Transport& transport) {
    FakeNccl fake;
    LateDevice device;
    Communicator control(transport, all_ranks(3), 0);
    NcclWorld nccl(FakeNccl::api(), control, device, {nullptr, "GPU " + std::to_string(control.rank()), 10});
    const std::vector<int> group = control.rank() == 2 ? std::vector<int>{1, 2} : std::vector<int>{0, 1};
    const auto overlapping = communicators(transport, {group});
    if (control.rank() == 2)  // colours 0, 0, 1: rank 2 would be alone
      EXPECT_THROW((void)nccl.groups(overlapping), InvariantError);
    else
      EXPECT_NO_THROW((void)nccl.groups(overlapping));
  });
}

TEST(NcclWorld, RefusesRanksOnOneGpu) {
  LocalWorld world(2);
  run_ranks(world, [](Transport& transport) {
    FakeNccl fake;
    LateDevice device;
    Communicator control(transport, all_ranks(2), 0);
    EXPECT_THROW(NcclWorld(FakeNccl::api(), control, device, {nullptr, "GPU a", 10}), InputError);
    EXPECT_EQ(fake.count("Init"), 0);
  });
}

TEST(NcclWorld, NamesTheRankThatDoesNotIntroduceItself) {
  LocalWorld world(2);
  FakeNccl fake;
  LateDevice device;
  Communicator control(world.transport(0), all_ranks(2), 0);
  try {
    NcclWorld(FakeNccl::api(), control, device, {nullptr, "GPU a", 0.01});
    FAIL() << "rank 1 does not exist";
  } catch (const DeviceError& error) {
    EXPECT_STREQ(error.what(), "nccl: no word for 10 ms of ranks 1");
  }
}

TEST(NcclWorld, AbortsOnceAndGivesTheReasonEverAfter) {
  LocalWorld world(1);
  FakeNccl fake;
  {
    LateDevice device;
    Communicator control(world.transport(0), {0}, 0);
    NcclWorld nccl(FakeNccl::api(), control, device, {nullptr, "GPU a", 10});
    const auto groups = nccl.groups(communicators(world.transport(0), {{0}}));
    DeviceGroup& group = *groups[0];
    float value = 0;
    const auto running = group.all_reduce(&value, 1, SumType::f32);
    (void)fake.taken();
    nccl.abort("rank 0 was stopped");
    nccl.abort("once more");
    EXPECT_EQ(fake.taken(), (Calls{"GroupStart", "Abort c1", "GroupEnd"}));
    for (int i = 0; i < 2; ++i) {
      try {
        i == 0 ? (void)running->poll() : (void)group.all_gather(&value, 4, &value);
        FAIL() << "aborted";
      } catch (const DeviceError& error) {
        EXPECT_STREQ(error.what(), "rank 0 was stopped");
      }
    }
  }
  EXPECT_EQ(fake.calls, Calls{});
}

}  // namespace
}  // namespace moesaic::executor
