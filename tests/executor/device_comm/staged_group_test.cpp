// Every collective through a device whose copies run late must leave the bits that the same call of Communicator leaves
// in host memory.

#include "executor/device_comm/staged_group.h"

#include <gtest/gtest.h>

#include <functional>
#include <numeric>
#include <string>
#include <thread>

#include "core/schema/bfloat16.h"
#include "tests/executor/comm/local_ranks.h"
#include "tests/executor/device_comm/late_device.h"

namespace moesaic::executor {
namespace {

using Bytes8 = std::vector<uint8_t>;

/// Member i sends member j (3 i + 5 j) % 7 * 13 bytes: also none, also to itself.
int64_t bytes_between(int from, int to) { return (3 * from + 5 * to) % 7 * 13; }

struct Sizes {
  std::vector<int64_t> send, send_at, receive, receive_at;
  int64_t sent = 0, received = 0;

  /// A gap of 3 bytes stands behind every second part that is sent and behind every part that is received.
  Sizes(int me, int members) {
    for (int member = 0; member < members; ++member) {
      send.push_back(bytes_between(me, member));
      send_at.push_back(sent);
      sent += send.back() + member % 2 * 3;
      receive.push_back(bytes_between(member, me));
      receive_at.push_back(received);
      received += receive.back() + 3;
    }
  }
};

Bytes8 pattern(int me, int64_t bytes) {
  Bytes8 values(static_cast<size_t>(bytes));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint8_t>(37 * me + 11 * i + i / 256);
  return values;
}

/// Numbers of mixed magnitude, so that the order of additions shows in the bits.
template <typename T>
std::vector<T> numbers(int me, int64_t count) {
  std::vector<T> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    const double value = (me % 2 == 0 ? 1000.1 : -0.37) * (me + 1) + 0.0123 * static_cast<double>(i % 1013);
    if constexpr (std::is_same_v<T, BFloat16>) {
      values[i] = to_bf16(static_cast<float>(value));
    } else {
      values[i] = static_cast<T>(value);
    }
  }
  return values;
}

/// One rank: the group under test, and a communicator of the same members that says what is right.
struct Member {
  explicit Member(Transport& transport)
      : all([&] {
          std::vector<int> ranks(static_cast<size_t>(transport.size()));
          std::iota(ranks.begin(), ranks.end(), 0);
          return ranks;
        }()),
        communicator(transport, all, 0),
        oracle(transport, all, 1),
        group(communicator, device, pool) {}

  int me() const { return oracle.rank(); }

  std::vector<int> all;
  LateDevice device;
  BufferPool pool;
  Communicator communicator, oracle;
  StagedGroup group;
  int64_t oracle_sequence = 0;
};

/// An operation in flight, and what to compare once it is complete.
struct Started {
  std::unique_ptr<Operation> operation;
  std::function<void()> verify;
};

Started start_all_to_all(Member& member) {
  const auto sizes = std::make_shared<Sizes>(member.me(), member.group.size());
  const auto sent = std::make_shared<Bytes8>(pattern(member.me(), sizes->sent));
  const auto got = std::make_shared<Bytes8>(static_cast<size_t>(sizes->received), uint8_t{0xEE});
  const auto expected = std::make_shared<Bytes8>(*got);
  member.oracle
      .all_to_all_v(member.oracle_sequence++, sent->data(), sizes->send, sizes->send_at, expected->data(),
                    sizes->receive, sizes->receive_at)
      ->wait();
  return {member.group.all_to_all_v(sent->data(), sizes->send, sizes->send_at, got->data(), sizes->receive,
                                    sizes->receive_at),
          [=] {
            EXPECT_EQ(*got, *expected) << "all_to_all_v";
            (void)sent;
          }};
}

Started start_all_gather(Member& member, int64_t bytes, bool in_place) {
  const auto own = std::make_shared<Bytes8>(pattern(member.me(), bytes));
  const auto got = std::make_shared<Bytes8>(static_cast<size_t>(bytes * member.group.size()), uint8_t{0xEE});
  const auto expected = std::make_shared<Bytes8>(*got);
  uint8_t* slot = got->data() + member.me() * bytes;
  if (in_place) std::copy(own->begin(), own->end(), slot);
  member.oracle.all_gather(member.oracle_sequence++, own->data(), bytes, expected->data())->wait();
  return {member.group.all_gather(in_place ? slot : own->data(), bytes, got->data()), [=] {
            EXPECT_EQ(*got, *expected) << "all_gather of " << bytes;
            (void)own;
          }};
}

template <typename T>
Started start_all_reduce(Member& member, int64_t count, SumType type) {
  const auto got = std::make_shared<std::vector<T>>(numbers<T>(member.me(), count));
  const auto expected = std::make_shared<std::vector<T>>(*got);
  member.oracle.all_reduce<T>(member.oracle_sequence++, expected->data(), count)->wait();
  return {member.group.all_reduce(got->data(), count, type),
          [=] { EXPECT_EQ(*got, *expected) << "all_reduce of " << count; }};
}

template <typename T>
Started start_reduce_scatter(Member& member, int64_t count, SumType type) {
  const int members = member.group.size();
  const auto input = std::make_shared<std::vector<T>>(numbers<T>(member.me(), count * members));
  const auto got = std::make_shared<std::vector<T>>(static_cast<size_t>(count));
  const auto expected = std::make_shared<std::vector<T>>(static_cast<size_t>(count));
  const std::vector<int64_t> counts(static_cast<size_t>(members), count);
  member.oracle.reduce_scatter<T>(member.oracle_sequence++, input->data(), expected->data(), counts)->wait();
  return {member.group.reduce_scatter(input->data(), got->data(), count, type), [=] {
            EXPECT_EQ(*got, *expected) << "reduce_scatter of " << count;
            (void)input;
          }};
}

std::vector<Started> start_everything(Member& member) {
  std::vector<Started> started;
  started.push_back(start_all_to_all(member));
  for (const int64_t bytes : {0, 1, 4000}) {
    started.push_back(start_all_gather(member, bytes, false));
    started.push_back(start_all_gather(member, bytes, true));
  }
  for (const int64_t count : {0, 1, 17, 3000}) {
    started.push_back(start_all_reduce<float>(member, count, SumType::f32));
    started.push_back(start_all_reduce<BFloat16>(member, count, SumType::bf16));
    started.push_back(start_all_reduce<double>(member, count, SumType::f64));
    started.push_back(start_reduce_scatter<float>(member, count, SumType::f32));
    started.push_back(start_reduce_scatter<BFloat16>(member, count, SumType::bf16));
    started.push_back(start_reduce_scatter<double>(member, count, SumType::f64));
  }
  started.push_back(start_all_to_all(member));
  return started;
}

class StagedGroups : public ::testing::TestWithParam<int> {};

// All in flight before the first is polled; odd members poll them in the reverse order.
TEST_P(StagedGroups, LeaveTheBitsOfTheCommunicator) {
  LocalWorld world(GetParam());
  run_ranks(world, [](Transport& transport) {
    Member member(transport);
    std::vector<Started> started = start_everything(member);
    for (size_t complete = 0; complete < started.size();) {
      complete = 0;
      for (size_t i = 0; i < started.size(); ++i) {
        const size_t position = member.me() % 2 == 0 ? i : started.size() - 1 - i;
        complete += started[position].operation->poll() ? 1 : 0;
      }
      std::this_thread::yield();
    }
    for (const Started& each : started) {
      each.verify();
      EXPECT_TRUE(each.operation->waiting_for().empty());
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, StagedGroups, ::testing::Values(1, 2, 3, 4));

// Member 0 of 3 sends 7 bytes to everybody, one behind the other: its own part is one copy on the device, the parts
// before and behind it (here only behind: 2 * 7 bytes) are one copy to the host, and as many come back: 3 copies.
TEST(StagedGroup, CopiesNeighboursTogether) {
  LocalWorld world(3);
  run_ranks(world, [](Transport& transport) {
    Member member(transport);
    const std::vector<int64_t> bytes(3, 7), at{0, 7, 14};
    const Bytes8 sent = pattern(member.me(), 21);
    Bytes8 got(21);
    member.group.all_to_all_v(sent.data(), bytes, at, got.data(), bytes, at)->wait();
    EXPECT_EQ(member.device.copies(), member.me() == 1 ? 5 : 3);
  });
}

// 64 bytes hold the 14 that are sent (rounded up to a cache line), 14 more are received.
TEST(StagedGroup, TakesHostMemoryFromThePool) {
  LocalWorld world(3);
  run_ranks(world, [](Transport& transport) {
    Member member(transport);
    std::vector<int64_t> taken;
    BufferPool pool({[&](int64_t bytes) {
                       taken.push_back(bytes);
                       return std::malloc(static_cast<size_t>(bytes));
                     },
                     [&](void* data) {
                       taken.push_back(-1);
                       std::free(data);
                     }});
    {
      StagedGroup group(member.communicator, member.device, pool);
      const std::vector<int64_t> bytes(3, 7), at{0, 7, 14};
      const Bytes8 sent = pattern(member.me(), 21);
      Bytes8 got(21);
      for (int round = 0; round < 2; ++round) group.all_to_all_v(sent.data(), bytes, at, got.data(), bytes, at)->wait();
      double sum = 1;
      group.all_reduce(&sum, 1, SumType::f64)->wait();
      EXPECT_EQ(sum, 3.0);
    }
    EXPECT_EQ(taken, std::vector<int64_t>{78});
  });
}

// Rank 1 has not started: rank 0 waits for nobody while its copy runs, then for rank 1.
TEST(StagedGroup, NamesTheMissingRank) {
  LocalWorld world(2);
  Member member(world.transport(0));
  float value = 1;
  const auto operation = member.group.all_reduce(&value, 1, SumType::f32);
  EXPECT_TRUE(operation->waiting_for().empty());
  EXPECT_FALSE(operation->poll());  // the copy runs
  EXPECT_FALSE(operation->poll());
  EXPECT_EQ(operation->waiting_for(), std::vector<int>{1});
}

}  // namespace
}  // namespace moesaic::executor
