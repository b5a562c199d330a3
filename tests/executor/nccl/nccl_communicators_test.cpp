// What non-blocking communicators owe to NCCL: they are polled before they are used, ended in reverse order, and
// aborted once, all together.

#include "executor/nccl/nccl_communicators.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "core/schema/error.h"
#include "tests/executor/nccl/fake_nccl.h"

namespace moesaic::executor {
namespace {

ncclUniqueId some_id() {
  ncclUniqueId id{};
  id.internal[0] = 'm';
  return id;
}

template <typename Call>
std::string device_error(const Call& call) {
  try {
    call();
  } catch (const DeviceError& error) {
    return error.what();
  }
  return "";
}

const Calls kAbortOfTwo{"GroupStart", "Abort c2", "Abort c1", "GroupEnd"};

// Each call leaves its communicator busy for 2 polls; the third says that it is ready. A split asks its parent, then
// the new communicator.
TEST(NcclCommunicators, ArePolledUntilReady) {
  FakeNccl fake;
  fake.slow_polls = 2;
  {
    NcclCommunicators communicators(FakeNccl::api(), 10);
    const ncclComm_t world = communicators.create(4, some_id(), 1);
    EXPECT_EQ(std::exchange(fake.calls, {}), (Calls{"Init c1: rank 1 of 4", "poll", "poll", "poll"}));
    communicators.split(world, 1, 3);
    EXPECT_EQ(std::exchange(fake.calls, {}),
              (Calls{"Split c1 -> c2: colour 1, key 3", "poll", "poll", "poll", "poll"}));
  }
  EXPECT_EQ(fake.calls, (Calls{"Finalize c2", "poll", "poll", "poll", "Finalize c1", "poll", "poll", "poll",
                               "Destroy c2", "Destroy c1"}));
}

TEST(NcclCommunicators, AreAbortedOnceWhenOneFails) {
  FakeNccl fake;
  {
    NcclCommunicators communicators(FakeNccl::api(), 10);
    const ncclComm_t world = communicators.create(2, some_id(), 0);
    const ncclComm_t child = communicators.split(world, 0, 0);
    (void)fake.taken();
    fake.async_error = ncclRemoteError;
    const std::string expected = "nccl: all_reduce: remote process exited; NCCL's last error: socket closed";
    EXPECT_EQ(device_error([&] { communicators.check(child, "all_reduce"); }), expected);
    EXPECT_EQ(fake.taken(), kAbortOfTwo);
    EXPECT_EQ(device_error([&] { communicators.check(world, "all_gather"); }), expected);
    EXPECT_EQ(device_error([&] { communicators.settle(world, ncclSuccess, "all_gather"); }), expected);
    EXPECT_EQ(device_error([&] { communicators.split(world, 0, 0); }), expected);
    communicators.abort("another reason");
  }
  EXPECT_EQ(fake.calls, Calls{});  // neither a second abort nor an end
}

TEST(NcclCommunicators, GiveUpAfterTheTimeLimit) {
  FakeNccl fake;
  fake.hangs = true;
  NcclCommunicators communicators(FakeNccl::api(), 0.01);
  EXPECT_EQ(device_error([&] { communicators.create(2, some_id(), 0); }),
            "nccl: communicator of 2 ranks: not begun after 10 ms; NCCL's last error: socket closed");
  EXPECT_EQ(fake.taken(), (Calls{"Init c1: rank 0 of 2", "GroupStart", "Abort c1", "GroupEnd"}));
}

TEST(NcclCommunicators, AreAbortedWhenTheirEndHangs) {
  FakeNccl fake;
  {
    NcclCommunicators communicators(FakeNccl::api(), 0.01);
    communicators.split(communicators.create(2, some_id(), 0), 0, 0);
    (void)fake.taken();
    fake.hangs = true;
  }
  EXPECT_EQ(fake.taken(), (Calls{"Finalize c2", "GroupStart", "Abort c2", "Abort c1", "GroupEnd"}));
}

// A rank that unwinds would wait for ranks that know nothing of it.
TEST(NcclCommunicators, AreAbortedWhenAnExceptionUnwinds) {
  FakeNccl fake;
  try {
    NcclCommunicators communicators(FakeNccl::api(), 10);
    communicators.split(communicators.create(2, some_id(), 0), 0, 0);
    (void)fake.taken();
    throw std::runtime_error("elsewhere");
  } catch (const std::runtime_error&) {
    EXPECT_EQ(fake.taken(), kAbortOfTwo);
  }
}

TEST(NcclCommunicators, HaveNoDeadlineWithoutATimeLimit) {
  FakeNccl fake;
  EXPECT_EQ(NcclCommunicators(FakeNccl::api(), 0).deadline(), NcclCommunicators::Clock::time_point::max());
}

}  // namespace
}  // namespace moesaic::executor
