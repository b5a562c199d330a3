// Every collective on 1, 2, 4 and 8 local ranks, without and with delayed links.

#include <gtest/gtest.h>

#include <mutex>

#include "tests/executor/comm/collective_checks.h"
#include "tests/executor/comm/local_ranks.h"

namespace moesaic::executor {
namespace {

void expect_local_checks_pass(int num_ranks, const LocalOptions& options) {
  LocalWorld world(num_ranks, options);
  std::vector<std::vector<CheckResult>> results(num_ranks);
  run_ranks(world, [&](Transport& transport) { results[transport.rank()] = run_collective_checks(transport); });
  for (int rank = 0; rank < num_ranks; ++rank) {
    EXPECT_EQ(results[rank].size(), 63u);  // 3 groups of 21 checks
    for (const CheckResult& result : results[rank]) {
      EXPECT_EQ(result.error, "") << result.name << " on rank " << rank << " of " << num_ranks;
    }
  }
}

class Collectives : public ::testing::TestWithParam<int> {};

TEST_P(Collectives, GiveTheFormulaOnInstantLinks) { expect_local_checks_pass(GetParam(), {}); }

TEST_P(Collectives, GiveTheFormulaOnDelayedLinksOfSeveralNodes) {
  LocalOptions options;
  options.ranks_per_node = 2;
  options.intra_node = {20e-6, 5e9};
  options.inter_node = {100e-6, 1e9};
  expect_local_checks_pass(GetParam(), options);
}

// Arrival order differs from run to run; the bits may not.
TEST_P(Collectives, ReduceToTheSameBitsInEveryRun) {
  constexpr int64_t kCount = 4099;
  for (int run = 0; run < 10; ++run) {
    LocalWorld world(GetParam());
    run_ranks(world, [&](Transport& transport) {
      std::vector<int> ranks(world.size());
      for (int rank = 0; rank < world.size(); ++rank) ranks[rank] = rank;
      Communicator group(transport, ranks, 0);
      std::vector<float> data(kCount);
      for (int64_t i = 0; i < kCount; ++i) data[i] = contribution<float>(transport.rank(), i);
      group.all_reduce<float>(run, data.data(), kCount)->wait();
      std::vector<float> expected(kCount);
      for (int64_t i = 0; i < kCount; ++i) expected[i] = rank_ordered_reference<float>(world.size(), i);
      EXPECT_EQ(std::memcmp(data.data(), expected.data(), kCount * sizeof(float)), 0);
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, Collectives, ::testing::Values(1, 2, 4, 8));

// 4 members, 100 floats = 7 units of 16: slices 16, 32, 32, 20 elements (begin 0, 16, 48, 80).
// Reduce-scatter: member r sends the three slices that it does not own; all-gather: its own slice three times.
// Member 0: 4 * (84 + 3 * 16) = 528 bytes; 1: 4 * (68 + 96) = 656; 2: the same; 3: 4 * (80 + 60) = 560. 6 messages
// each. Nodes are {0, 1} and {2, 3}: one of a member's three peers is near, so 2 messages are intra-node and 4
// inter-node. Intra-node bytes of member 0: slice of 1, and its own: 4 * (32 + 16) = 192; 1: 4 * (16 + 32) = 192; 2: 4
// * (20 + 32) = 208; 3: 4 * (32 + 20) = 208.
TEST(Traffic, OfAnAllReduceIsTwiceTheSlicesPerPeer) {
  LocalOptions options;
  options.ranks_per_node = 2;
  LocalWorld world(4, options);
  run_ranks(world, [](Transport& transport) {
    Communicator group(transport, {0, 1, 2, 3}, 0);
    std::vector<float> data(100, 1.0f);
    group.all_reduce<float>(0, data.data(), 100)->wait();
  });
  EXPECT_EQ(world.transport(0).traffic(), (Traffic{{2, 192}, {4, 528 - 192}}));
  EXPECT_EQ(world.transport(1).traffic(), (Traffic{{2, 192}, {4, 656 - 192}}));
  EXPECT_EQ(world.transport(2).traffic(), (Traffic{{2, 208}, {4, 656 - 208}}));
  EXPECT_EQ(world.transport(3).traffic(), (Traffic{{2, 208}, {4, 560 - 208}}));
}

// Empty parts and the own part cause no messages: rank r sends r bytes to rank 0 only.
TEST(Traffic, OfAnAllToAllCountsOnlyWhatCrossesALink) {
  LocalOptions options;
  options.ranks_per_node = 2;
  LocalWorld world(4, options);
  run_ranks(world, [](Transport& transport) {
    Communicator group(transport, {0, 1, 2, 3}, 0);
    const int64_t rank = transport.rank();
    const std::vector<int64_t> send_bytes{rank, 0, 0, 0}, none{0, 0, 0, 0};
    const std::vector<int64_t> recv_bytes = rank == 0 ? std::vector<int64_t>{0, 1, 2, 3} : none;
    const std::vector<int64_t> recv_offset{0, 0, 1, 3};
    char sent[3] = {1, 2, 3}, received[6] = {};
    group.all_to_all_v(0, sent, send_bytes, none, received, recv_bytes, recv_offset)->wait();
    const std::vector<char> expected = rank == 0 ? std::vector<char>{1, 1, 2, 1, 2, 3} : std::vector<char>(6, 0);
    EXPECT_EQ(std::vector<char>(received, received + 6), expected);
  });
  EXPECT_EQ(world.transport(0).traffic(), (Traffic{{0, 0}, {0, 0}}));
  EXPECT_EQ(world.transport(1).traffic(), (Traffic{{1, 1}, {0, 0}}));
  EXPECT_EQ(world.transport(2).traffic(), (Traffic{{0, 0}, {1, 2}}));
  EXPECT_EQ(world.transport(3).traffic(), (Traffic{{0, 0}, {1, 3}}));
}

// Two members, 64 floats: each owns 32 and needs one receive buffer of 128 bytes, however many reductions follow.
TEST(Buffers, AreReusedBetweenReductions) {
  LocalWorld world(2);
  run_ranks(world, [](Transport& transport) {
    Communicator group(transport, {0, 1}, 0);
    std::vector<float> data(64, 1.0f);
    for (int step = 0; step < 5; ++step) group.all_reduce<float>(step, data.data(), 64)->wait();
    EXPECT_EQ(group.buffers().allocated_bytes(), 128);
    EXPECT_EQ(data, std::vector<float>(64, 32.0f));  // doubled five times
  });
}

}  // namespace
}  // namespace moesaic::executor
