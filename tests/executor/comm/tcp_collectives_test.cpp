// Every collective between 1, 2 and 4 ranks over TCP, with memory for early messages and with none.

#include <gtest/gtest.h>

#include "tests/executor/comm/collective_checks.h"
#include "tests/executor/comm/tcp_ranks.h"

namespace moesaic::executor {
namespace {

class TcpCollectives : public ::testing::TestWithParam<int> {};

void expect_tcp_checks_pass(int num_ranks, const TcpOptions& options) {
  std::vector<std::vector<CheckResult>> results(num_ranks);
  run_tcp_ranks(
      num_ranks, [&](Transport& transport) { results[transport.rank()] = run_collective_checks(transport); }, options);
  for (int rank = 0; rank < num_ranks; ++rank) {
    EXPECT_EQ(results[rank].size(), 63u);  // 3 groups of 21 checks
    for (const CheckResult& result : results[rank])
      EXPECT_EQ(result.error, "") << result.name << " on rank " << rank << " of " << num_ranks;
  }
}

TEST_P(TcpCollectives, GiveTheFormula) { expect_tcp_checks_pass(GetParam(), {}); }

TEST_P(TcpCollectives, GiveTheFormulaOnNodesOfTwoWithoutMemoryForEarlyMessages) {
  TcpOptions options;
  options.ranks_per_node = 2;
  options.early_bytes = 0;
  expect_tcp_checks_pass(GetParam(), options);
}

INSTANTIATE_TEST_SUITE_P(Ranks, TcpCollectives, ::testing::Values(1, 2, 4));

// As between local ranks (collectives_test.cpp): 4 members, 100 floats, slices of 16, 32, 32 and 20 elements. Member 0
// sends 4 * (84 + 3 * 16) = 528 bytes in 6 messages, of which 2 with 4 * (32 + 16) = 192 bytes stay in its node.
TEST(TcpTraffic, IsCountedLikeTheOthers) {
  TcpOptions options;
  options.ranks_per_node = 2;
  const auto body = [](Transport& transport) {
    Communicator group(transport, {0, 1, 2, 3}, 0);
    std::vector<float> data(100, 1.0f);
    group.all_reduce<float>(0, data.data(), 100)->wait();
    if (transport.rank() == 0) {
      EXPECT_EQ(transport.traffic(), (Traffic{{2, 192}, {4, 528 - 192}}));
    }
  };
  run_tcp_ranks(4, body, options);
}

}  // namespace
}  // namespace moesaic::executor
