// The parts below the collectives: tags, slices, the sum, the buffer pool, and what a communicator refuses.

#include "executor/comm/communicator.h"

#include <gtest/gtest.h>

#include "core/schema/error.h"
#include "executor/comm/local_transport.h"
#include "executor/comm/rank_ordered_sum.h"
#include "executor/comm/slices.h"
#include "executor/comm/tag.h"

namespace moesaic::executor {
namespace {

TEST(Tag, KeepsCommunicatorAndSequenceApart) {
  EXPECT_EQ(make_tag(0, 5), 5);
  EXPECT_EQ(make_tag(3, 5), 3 * (int64_t{1} << 47) + 5);
  EXPECT_EQ(make_tag(65535, kMaxSequences - 1), INT64_MAX);
}

// 15 rolling bits: communicator * 32768 + sequence mod 32768.
TEST(Tag, FoldsToARollingSequence) {
  EXPECT_EQ(fold_tag(make_tag(0, 5), 15), 5);
  EXPECT_EQ(fold_tag(make_tag(0, 32768 + 5), 15), 5);
  EXPECT_EQ(fold_tag(make_tag(3, 5), 15), 3 * 32768 + 5);
  EXPECT_EQ(fold_tag(make_tag(65535, kMaxSequences - 1), 15), INT32_MAX);
  EXPECT_EQ(fold_tag(make_tag(65535, 128 + 1), 7), 65535 * 128 + 1);
}

// 100 elements are 7 units of 16; begin(p) = 16 * floor(7 p / 4) = 0, 16, 48, 80 and the end is 100.
TEST(Slices, AreEvenAndAligned) {
  EXPECT_EQ(even_slices(100, 4), (std::vector<int64_t>{16, 32, 32, 20}));
  EXPECT_EQ(even_slices(128, 4), (std::vector<int64_t>{32, 32, 32, 32}));
  EXPECT_EQ(even_slices(100, 1), (std::vector<int64_t>{100}));
  EXPECT_EQ(even_slices(0, 3), (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(even_slices(1, 3), (std::vector<int64_t>{0, 0, 1}));
}

// In f32, 1e8 + 1 = 1e8 (spacing 8). Rank order: (1e8 + 1) - 1e8 + 1 = 1; any order that pairs 1e8 with -1e8 first
// gives 2.
TEST(RankOrderedSum, AddsFromTheFirstRankToTheLast) {
  const float a[1] = {1e8f}, b[1] = {1.0f}, c[1] = {-1e8f}, d[1] = {1.0f};
  const float* contributions[4] = {a, b, c, d};
  float sum[1] = {0.0f};
  rank_ordered_sum<float>(contributions, sum, 1);
  EXPECT_EQ(sum[0], 1.0f);
}

// 5000 elements cross two block borders; the output is the second contribution.
TEST(RankOrderedSum, MayWriteOverAContribution) {
  std::vector<double> first(5000), second(5000), expected(5000);
  for (int i = 0; i < 5000; ++i) {
    first[i] = 0.1 * i;
    second[i] = 1e6 - i;
    expected[i] = first[i] + second[i];
  }
  const double* contributions[2] = {first.data(), second.data()};
  rank_ordered_sum<double>(contributions, second.data(), 5000);
  EXPECT_EQ(second, expected);
}

TEST(BufferPool, ReusesTheSmallestThatFits) {
  BufferPool pool;
  {
    BufferPool::Loan small(pool, 100), large(pool, 1000);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(small.data()) % 64, 0u);
    EXPECT_EQ(pool.allocated_bytes(), 1100);
  }
  {
    BufferPool::Loan first(pool, 90), second(pool, 90);
    EXPECT_EQ(pool.allocated_bytes(), 1100);
  }
  BufferPool::Loan larger(pool, 2000);  // replaces the idle 1000
  EXPECT_EQ(pool.allocated_bytes(), 2100);
}

TEST(Communicator, CountsMembersFromZero) {
  LocalWorld world(8);
  Communicator odd(world.transport(5), {1, 3, 5, 7}, 2);
  EXPECT_EQ(odd.rank(), 2);
  EXPECT_EQ(odd.size(), 4);
  EXPECT_EQ(odd.transport_rank(3), 7);
}

TEST(Communicator, RefusesWhatCannotBeAGroup) {
  LocalWorld world(4);
  Transport& transport = world.transport(1);
  EXPECT_THROW(Communicator(transport, {0, 2}, 0), InvariantError);      // not a member
  EXPECT_THROW(Communicator(transport, {1, 0}, 0), InvariantError);      // not ascending
  EXPECT_THROW(Communicator(transport, {1, 1}, 0), InvariantError);      // twice
  EXPECT_THROW(Communicator(transport, {1, 4}, 0), InvariantError);      // no rank 4
  EXPECT_THROW(Communicator(transport, {0, 1}, 65536), InvariantError);  // 17 bits
  EXPECT_THROW(Communicator(transport, {}, 0), InvariantError);
  Communicator group(transport, {0, 1}, 0);
  EXPECT_THROW(group.barrier(-1), InvariantError);
  EXPECT_THROW(group.send(0, 1, nullptr, 0), InvariantError);  // to oneself
  EXPECT_THROW(group.all_gather_v(0, nullptr, nullptr, {}, {}), InvariantError);
}

}  // namespace
}  // namespace moesaic::executor
