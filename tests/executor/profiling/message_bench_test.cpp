#include "executor/profiling/message_bench.h"

#include <gtest/gtest.h>

#include "executor/runtime/threads.h"

namespace moesaic::executor {
namespace {

Seconds measured(const LinkModel& link) {
  LocalOptions options;
  options.cards_per_node = 1;  // ports
  options.intra_node = link;
  Seconds seconds = -1;
  run_on_threads(2, options, [&](int rank, Transport& transport) {
    Bench bench(transport);
    const Seconds own = message_seconds(bench);
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

TEST(MessageSeconds, IsNothingForOneRank) {
  run_on_threads(1, 1, [&](int, Transport& transport) {
    Bench bench(transport);
    EXPECT_EQ(message_seconds(bench), 0);
  });
}

}  // namespace
}  // namespace moesaic::executor
