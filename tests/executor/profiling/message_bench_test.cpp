#include "executor/profiling/message_bench.h"

#include <gtest/gtest.h>

#include "executor/comm/threads.h"

namespace moesaic::executor {
namespace {

Seconds measured(const LinkModel& link) {
  LocalOptions options;
  options.cards_per_node = 1;  // ports
  options.intra_node = link;
  Seconds seconds = -1;
  run_on_threads(2, options, [&](int rank, Transport& transport) {
    Bench bench(transport);
    const auto shortest = [&](int messages) {
      const Measure measure = open_messages(messages, bench);
      std::vector<Seconds> repetitions;
      for (int i = 0; i < 15; ++i) repetitions.push_back(measure().seconds);
      return least(repetitions);
    };
    const Seconds one = shortest(1), own = message_seconds(one, shortest(kManyMessages));
    if (rank == 0) seconds = own;
  });
  return seconds;
}

// Ports are busy 1 ms with each message, so 64 of them take 63 ms longer than one; half of that leaves room for a
// machine that delays every repetition of one message by 30 ms. Latency of 1 ms is paid once, however many are in
// flight, so it is not in the cost of a message: what is left is this machine's, in both.
TEST(MessageSeconds, FindsTheGapAndNotTheLatency) {
  const Seconds with_gap = measured({.latency_s = 0, .message_s = 1e-3}), with_latency = measured({.latency_s = 1e-3});
  EXPECT_GT(with_gap, 0.5e-3);
  EXPECT_LT(with_latency, with_gap);
}

// (5.3 - 2.15) / 63 = 0.05 s; a machine that disturbs the single message makes none negative.
TEST(MessageSeconds, IsTheDifferencePerMessage) {
  EXPECT_NEAR(message_seconds(2.15, 5.3), 0.05, 1e-12);
  EXPECT_EQ(message_seconds(3, 2), 0);
}

}  // namespace
}  // namespace moesaic::executor
