// The local transport itself: matching, order, delays by its own clock, withdrawal and abort.

#include "executor/comm/local_transport.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>

#include "core/schema/error.h"
#include "tests/executor/comm/local_ranks.h"

namespace moesaic::executor {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

TEST(LocalTransport, MatchesOnSenderAndTagInPostingOrder) {
  LocalWorld world(3);
  int sent[4] = {10, 11, 12, 13}, received[4] = {};
  Request sends[4] = {world.transport(0).send(2, 7, &sent[0], 4), world.transport(1).send(2, 7, &sent[1], 4),
                      world.transport(0).send(2, 8, &sent[2], 4), world.transport(0).send(2, 7, &sent[3], 4)};
  Request receives[4] = {
      world.transport(2).receive(0, 8, &received[0], 4), world.transport(2).receive(0, 7, &received[1], 4),
      world.transport(2).receive(0, 7, &received[2], 4), world.transport(2).receive(1, 7, &received[3], 4)};
  EXPECT_FALSE(world.transport(0).test(sends[0]));  // the receiver has not polled yet
  for (Request& request : receives) EXPECT_TRUE(world.transport(2).test(request));
  EXPECT_TRUE(world.transport(0).test(sends[0]));
  EXPECT_TRUE(world.transport(1).test(sends[1]));
  EXPECT_TRUE(sends[1].finished());
  EXPECT_EQ(std::vector<int>(received, received + 4), (std::vector<int>{12, 10, 13, 11}));
}

TEST(LocalTransport, MatchesWhicheverSideComesFirst) {
  LocalWorld world(2);
  int sent = 5, received = 0;
  Request receive = world.transport(1).receive(0, 1, &received, 4);
  EXPECT_FALSE(world.transport(1).test(receive));
  Request send = world.transport(0).send(1, 1, &sent, 4);
  EXPECT_TRUE(world.transport(1).test(receive));
  EXPECT_EQ(received, 5);
}

TEST(LocalTransport, RefusesSizesThatDisagree) {
  LocalWorld world(2);
  int64_t sent = 5, received = 0;
  Request send = world.transport(0).send(1, 1, &sent, 8);
  Request receive = world.transport(1).receive(0, 1, &received, 4);
  EXPECT_THROW(world.transport(1).test(receive), InvariantError);
}

TEST(LocalTransport, NumbersNodesByRanksPerNode) {
  LocalOptions options;
  options.ranks_per_node = 3;
  LocalWorld world(7, options);
  EXPECT_EQ(world.transport(5).node(0), 0);
  EXPECT_EQ(world.transport(5).node(2), 0);
  EXPECT_EQ(world.transport(5).node(3), 1);
  EXPECT_EQ(world.transport(5).node(6), 2);
}

// Two messages of 1000 bytes at 1e6 bytes/s occupy the direction for 1 ms each, and each arrives 2 ms after it has
// left: due 3 ms and 4 ms after posting. The opposite direction is idle, so its message is due after 3 ms.
TEST(LocalTransport, DelaysByOccupancyAndLatency) {
  LocalOptions options;
  options.intra_node = {2e-3, 1e6};
  LocalWorld world(2, options);
  Transport &left = world.transport(0), &right = world.transport(1);
  std::vector<char> sent(1000, 'x'), first(1000), second(1000), back(1000);
  const Clock::time_point start = Clock::now();
  Request sends[3] = {left.send(1, 1, sent.data(), 1000), left.send(1, 2, sent.data(), 1000),
                      right.send(0, 1, sent.data(), 1000)};
  Request first_receive = right.receive(0, 1, first.data(), 1000);
  Request second_receive = right.receive(0, 2, second.data(), 1000);
  Request back_receive = left.receive(1, 1, back.data(), 1000);
  const double posted = seconds_since(start);
  while (!right.test(first_receive)) left.test(back_receive);
  EXPECT_GE(seconds_since(start), 3e-3);
  while (!left.test(back_receive)) continue;
  EXPECT_GE(seconds_since(start), 3e-3);
  while (!right.test(second_receive)) continue;
  EXPECT_GE(seconds_since(start), 4e-3);
  EXPECT_TRUE(left.test(sends[0]) && left.test(sends[1]) && right.test(sends[2]));
  EXPECT_LT(posted, seconds_since(start));
  EXPECT_EQ(second, sent);
}

// The sender may not reuse its buffer before the message is due either.
TEST(LocalTransport, DelaysTheSenderToo) {
  LocalOptions options;
  options.intra_node.latency_s = 3600.0;
  LocalWorld world(2, options);
  char sent = 'x', received = 0;
  Request send = world.transport(0).send(1, 1, &sent, 1);
  Request receive = world.transport(1).receive(0, 1, &received, 1);
  EXPECT_FALSE(world.transport(1).test(receive));
  EXPECT_FALSE(world.transport(0).test(send));
}

// Inter-node messages take an hour here and intra-node ones no time: only the latter can finish in a test.
TEST(LocalTransport, ChoosesTheLinkByNode) {
  LocalOptions options;
  options.ranks_per_node = 2;
  options.inter_node.latency_s = 3600.0;
  LocalWorld world(4, options);
  char sent = 'x', near = 0, far = 0;
  Request to_near = world.transport(0).send(1, 1, &sent, 1);
  Request to_far = world.transport(0).send(2, 1, &sent, 1);
  Request from_near = world.transport(1).receive(0, 1, &near, 1);
  Request from_far = world.transport(2).receive(0, 1, &far, 1);
  EXPECT_TRUE(world.transport(1).test(from_near));
  EXPECT_FALSE(world.transport(2).test(from_far));
  EXPECT_EQ(world.transport(0).traffic(), (Traffic{{1, 1}, {1, 1}}));
}

/// Three nodes of two ranks; a byte takes an hour on the card, so that an empty message finishes in a test only where
/// it waits for no other one.
LocalOptions hour_per_byte(int cards) {
  LocalOptions options;
  options.ranks_per_node = 2;
  options.cards_per_node = cards;
  options.inter_node.bytes_per_s = 1.0 / 3600;
  return options;
}

// 0 -> 2 carries a byte; 1 -> 3 is between the same nodes.
TEST(LocalTransport, NeighboursShareTheirCard) {
  for (const int cards : {1, 2}) {
    LocalWorld world(6, hour_per_byte(cards));
    char byte = 'x', received = 0;
    Request slow = world.transport(0).send(2, 1, &byte, 1), quick = world.transport(1).send(3, 1, &byte, 0);
    Request slow_receive = world.transport(2).receive(0, 1, &received, 1);
    Request quick_receive = world.transport(3).receive(1, 1, &received, 0);
    EXPECT_FALSE(world.transport(2).test(slow_receive));
    EXPECT_EQ(world.transport(3).test(quick_receive), cards == 2);
  }
}

// The card is busy for an hour, the ports inside the node are not.
TEST(LocalTransport, PortsInsideTheNodeAreNotTheCard) {
  LocalWorld world(6, hour_per_byte(1));
  char byte = 'x', received = 0;
  Request slow = world.transport(0).send(2, 1, &byte, 1), quick = world.transport(0).send(1, 1, &byte, 1);
  Request receive = world.transport(1).receive(0, 1, &received, 1);
  EXPECT_TRUE(world.transport(1).test(receive));
}

// 0 -> 4 leaves only after 0 -> 2, an hour from now, and will then occupy the card of node 2. Until then that card is
// free for 3 -> 5.
TEST(LocalTransport, AMessageTakesTheGapBeforeALaterOne) {
  LocalWorld world(6, hour_per_byte(1));
  char byte = 'x', received = 0;
  Request first = world.transport(0).send(2, 1, &byte, 1), later = world.transport(0).send(4, 1, &byte, 1);
  Request later_receive = world.transport(4).receive(0, 1, &received, 1);
  EXPECT_FALSE(world.transport(4).test(later_receive));
  Request quick = world.transport(3).send(5, 1, &byte, 0);
  Request quick_receive = world.transport(5).receive(3, 1, &received, 0);
  EXPECT_TRUE(world.transport(5).test(quick_receive));
}

// Two neighbours send two empty messages each: they leave their card after 0, 1, 2 and 3 ms, and the last has passed
// the receivers' card 4 ms after the first was sent.
TEST(LocalTransport, EveryMessageOccupiesTheCard) {
  LocalOptions options;
  options.ranks_per_node = 2;
  options.cards_per_node = 1;
  options.inter_node.message_s = 1e-3;
  LocalWorld world(4, options);
  const Clock::time_point start = Clock::now();
  std::vector<Request> sends, receives;
  for (const int from : {0, 1})
    for (const int to : {2, 3}) {
      sends.push_back(world.transport(from).send(to, 1, nullptr, 0));
      receives.push_back(world.transport(to).receive(from, 1, nullptr, 0));
    }
  for (size_t i = 0; i < receives.size(); ++i)
    while (!world.transport(2 + static_cast<int>(i) % 2).test(receives[i])) continue;
  EXPECT_GE(seconds_since(start), 4e-3);
}

// A message whose sender unwinds is never read; the next one takes its place. A withdrawn receive leaves its message
// alone.
TEST(LocalTransport, WithdrawsWhatIsDestroyedUnfinished) {
  LocalWorld world(2);
  int received = 0, last = 2;
  {
    auto lost = std::make_unique<int>(1);
    Request send = world.transport(0).send(1, 1, lost.get(), 4);
  }
  { Request receive = world.transport(1).receive(0, 1, nullptr, 4); }
  Request send = world.transport(0).send(1, 1, &last, 4);
  Request receive = world.transport(1).receive(0, 1, &received, 4);
  EXPECT_TRUE(world.transport(1).test(receive));
  EXPECT_EQ(received, 2);
}

TEST(LocalTransport, AbortMakesEveryRankThrow) {
  LocalWorld world(4);
  std::vector<std::string> errors(4);
  run_ranks(world, [&](Transport& transport) {
    const int rank = transport.rank();
    try {
      int value = 0;
      if (rank == 3) transport.abort("rank 3 lost its device");
      Request never = transport.receive((rank + 1) % 4, 1, &value, 4);
      while (!transport.test(never)) std::this_thread::yield();
    } catch (const DeviceError& error) {
      errors[rank] = error.what();
    }
  });
  EXPECT_EQ(errors, std::vector<std::string>(4, "communication was aborted: rank 3 lost its device"));
  EXPECT_THROW(world.transport(0).send(1, 1, nullptr, 0), DeviceError);
}

TEST(LocalTransport, AFailedRankEndsTheOthers) {
  LocalWorld world(4);
  EXPECT_THROW(run_ranks(world,
                         [](Transport& transport) {
                           if (transport.rank() == 2) throw InputError("plan.json", "", "is empty");
                           Request never = transport.receive(2, 1, nullptr, 0);
                           while (!transport.test(never)) std::this_thread::yield();
                         }),
               InputError);
}

TEST(LocalTransport, RefusesRanksThatDoNotExist) {
  LocalWorld world(2);
  EXPECT_THROW(world.transport(2), InvariantError);
  EXPECT_THROW(world.transport(0).send(2, 1, nullptr, 0), InvariantError);
  EXPECT_THROW(world.transport(0).receive(-1, 1, nullptr, 0), InvariantError);
  EXPECT_THROW(LocalWorld(0), InvariantError);
}

}  // namespace
}  // namespace moesaic::executor
