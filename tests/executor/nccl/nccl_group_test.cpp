// Which NCCL calls every collective makes, in which order and between which brackets, and when it is complete or fails.

#include "executor/nccl/nccl_group.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"
#include "tests/executor/device_comm/late_device.h"
#include "tests/executor/nccl/fake_nccl.h"

namespace moesaic::executor {
namespace {

using Sizes = std::vector<int64_t>;

/// Member `me` of ranks 0, 2, 4, ... on communicator c1.
struct Member {
  explicit Member(int me, int members = 4, Seconds time_limit = 10)
      : communicators(FakeNccl::api(), time_limit),
        group(communicators, connect(me, members), even_ranks(members), 2 * me, device, nullptr) {
    (void)fake.taken();
  }

  ncclComm_t connect(int me, int members) {
    ncclUniqueId id{};
    id.internal[0] = 'm';
    return communicators.create(members, id, me);
  }
  static std::vector<int> even_ranks(int members) {
    std::vector<int> ranks;
    for (int i = 0; i < members; ++i) ranks.push_back(2 * i);
    return ranks;
  }

  FakeNccl fake;
  LateDevice device;
  NcclCommunicators communicators;
  NcclGroup group;
};

/// Parts one behind the other.
Sizes offsets(const Sizes& bytes) {
  Sizes at;
  int64_t sum = 0;
  for (const int64_t part : bytes) {
    at.push_back(sum);
    sum += part;
  }
  return at;
}

std::unique_ptr<Operation> exchange(NcclGroup& group, const Sizes& send, const Sizes& receive) {
  static uint8_t from[4096], to[4096];
  return group.all_to_all_v(from, send, offsets(send), to, receive, offsets(receive));
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

// Member 1 of 4 meets 0 and 2, then 3 and 3, then 2 and 0 (from 1 - step, to 1 + step). It sends nothing to 2 and
// receives nothing from 0; its own 7 bytes are a copy on the device.
TEST(NcclGroup, SendsPairsInOneGroupWithoutEmptyOnes) {
  Member member(1);
  const auto operation = exchange(member.group, {10, 7, 0, 30}, {0, 7, 21, 22});
  EXPECT_EQ(member.fake.taken(), (Calls{"GroupStart", "Recv c1 from 3: 22 bytes", "Send c1 to 3: 30 bytes",
                                        "Recv c1 from 2: 21 bytes", "Send c1 to 0: 10 bytes", "GroupEnd"}));
  EXPECT_EQ(member.device.copies(), 1);
}

TEST(NcclGroup, CallsNothingWhereNothingIsExchanged) {
  Member member(1);
  exchange(member.group, {0, 7, 0, 0}, {0, 7, 0, 0})->wait();
  exchange(member.group, {0, 0, 0, 0}, {0, 0, 0, 0})->wait();
  member.group.all_gather(nullptr, 0, nullptr)->wait();
  member.group.all_reduce(nullptr, 0, SumType::bf16)->wait();
  member.group.reduce_scatter(nullptr, nullptr, 0, SumType::f32)->wait();
  EXPECT_EQ(member.fake.taken(), Calls{});
  EXPECT_EQ(member.device.copies(), 1);
}

/// (3 i + 5 j) % 4 * 13 bytes from i to j: a quarter of the pairs exchange nothing.
int64_t bytes_between(int from, int to) { return (3 * from + 5 * to) % 4 * 13; }

// What NCCL matches, without tags: the sends from i to j, in order, and the receives of j from i.
TEST(NcclGroup, SendsAndReceivesMatchOnAllMembers) {
  constexpr int kMembers = 5;
  for (int me = 0; me < kMembers; ++me) {
    Sizes send, receive;
    for (int peer = 0; peer < kMembers; ++peer) {
      send.push_back(bytes_between(me, peer));
      receive.push_back(bytes_between(peer, me));
    }
    Member member(me, kMembers);
    const auto operation = exchange(member.group, send, receive);
    for (int peer = 0; peer < kMembers; ++peer) {
      if (peer == me) continue;
      const auto pair = [&](const char* verb, int64_t bytes) {
        const std::string call = verb + std::to_string(peer) + ": " + std::to_string(bytes) + " bytes";
        return member.fake.count(call) == (bytes > 0 ? 1 : 0);
      };
      EXPECT_TRUE(pair("Send c1 to ", bytes_between(me, peer))) << me << " to " << peer;
      EXPECT_TRUE(pair("Recv c1 from ", bytes_between(peer, me))) << peer << " to " << me;
    }
  }
}

TEST(NcclGroup, CountsElementsOfEveryType) {
  Member member(0);
  float memory[4];
  (void)member.group.all_gather(memory, 16, memory);
  (void)member.group.all_reduce(memory, 3, SumType::f32);
  (void)member.group.all_reduce(memory, 3, SumType::bf16);
  (void)member.group.all_reduce(memory, 2, SumType::f64);
  (void)member.group.reduce_scatter(memory, memory, 5, SumType::bf16);
  EXPECT_EQ(member.fake.taken(), (Calls{"AllGather c1: 16 bytes", "AllReduce c1: 3 f32", "AllReduce c1: 3 bf16",
                                        "AllReduce c1: 2 f64", "ReduceScatter c1: 5 bf16"}));
}

// The communicator works on for 2 polls after a call: it is asked before the call whether it has failed, then until it
// is ready, and only then is the next call made.
TEST(NcclGroup, WaitsUntilACallHasBegun) {
  Member member(0);
  member.fake.slow_polls = 2;
  float value = 0;
  (void)member.group.all_reduce(&value, 1, SumType::f32);
  (void)member.group.all_reduce(&value, 1, SumType::f32);
  const Calls one{"poll", "AllReduce c1: 1 f32", "poll", "poll", "poll"};
  Calls twice = one;
  twice.insert(twice.end(), one.begin(), one.end());
  EXPECT_EQ(std::exchange(member.fake.calls, {}), twice);
  (void)exchange(member.group, {0, 8, 0, 0}, {0, 0, 0, 9});
  EXPECT_EQ(std::exchange(member.fake.calls, {}), (Calls{"poll", "GroupStart", "Recv c1 from 3: 9 bytes",
                                                         "Send c1 to 1: 8 bytes", "GroupEnd", "poll", "poll", "poll"}));
}

// The own part's copy is the device's only work: the first poll runs it, the second finds it done.
TEST(NcclGroup, IsCompleteWhenTheDeviceHasPassedIt) {
  Member member(2);
  const auto operation = exchange(member.group, {1, 1, 1, 1}, {1, 1, 1, 1});
  EXPECT_EQ(operation->waiting_for(), (std::vector<int>{0, 2, 6}));
  EXPECT_FALSE(operation->poll());
  EXPECT_TRUE(operation->poll());
  EXPECT_EQ(operation->waiting_for(), std::vector<int>{});
}

const Calls kAbort{"GroupStart", "Abort c1", "GroupEnd"};

TEST(NcclGroup, FailsWithNcclsReason) {
  Member member(0, 2);
  float value = 0;
  const auto operation = member.group.all_reduce(&value, 1, SumType::f32);
  (void)member.fake.taken();
  member.fake.async_error = ncclRemoteError;
  const std::string expected =
      "nccl: all_reduce of 4 bytes between ranks 0, 2: remote process exited; NCCL's last error: socket closed";
  EXPECT_EQ(device_error([&] { operation->poll(); }), expected);
  EXPECT_EQ(device_error([&] { operation->poll(); }), expected);
  EXPECT_EQ(device_error([&] { (void)member.group.all_gather(&value, 4, &value); }), expected);
  EXPECT_EQ(member.fake.taken(), kAbort);
}

TEST(NcclGroup, FailsAfterTheTimeLimit) {
  Member member(0, 2, 0.01);
  float value = 0;
  const auto operation = member.group.all_reduce(&value, 1, SumType::f32);
  (void)member.fake.taken();
  member.device.stuck = true;
  EXPECT_EQ(device_error([&] { operation->wait(); }),
            "nccl: all_reduce of 4 bytes between ranks 0, 2: not complete after 10 ms; NCCL's last error: socket "
            "closed");
  EXPECT_EQ(member.fake.taken(), kAbort);
}

TEST(NcclGroup, FailsWhereACallNeverBegins) {
  Member member(0, 2, 0.01);
  member.fake.hangs = true;
  float value = 0;
  EXPECT_EQ(device_error([&] { (void)member.group.all_reduce(&value, 1, SumType::f32); }),
            "nccl: all_reduce of 4 bytes between ranks 0, 2: not begun after 10 ms; NCCL's last error: socket closed");
  EXPECT_EQ(member.fake.taken(), (Calls{"AllReduce c1: 1 f32", "GroupStart", "Abort c1", "GroupEnd"}));
}

TEST(NcclGroup, ClosesTheBracketAfterAnError) {
  Member member(0, 2);
  member.fake.failing["ncclSend"] = ncclInvalidUsage;
  EXPECT_EQ(device_error([&] {
              (void)exchange(member.group, {0, 8}, {0, 9});
            }),
            "nccl: all_to_all_v of 8 bytes between ranks 0, 2: invalid usage; NCCL's last error: socket closed");
  EXPECT_EQ(member.fake.taken(), (Calls{"GroupStart", "Recv c1 from 1: 9 bytes", "Send c1 to 1: 8 bytes", "GroupEnd",
                                        "GroupStart", "Abort c1", "GroupEnd"}));
}

}  // namespace
}  // namespace moesaic::executor
