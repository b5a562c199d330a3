// Sums of bfloat16: taken in f32 in rank order, rounded once, alike on every member.

#include <gtest/gtest.h>

#include <numeric>

#include "core/schema/bfloat16.h"
#include "executor/comm/communicator.h"
#include "executor/comm/rank_ordered_sum.h"
#include "tests/executor/comm/local_ranks.h"

namespace moesaic::executor {
namespace {

// bf16 has 8 significant bits: beside 1 the next number is 1 + 2^-7. 1 + 2^-8 is a tie and rounds to the even 1, so
// rounding after every addition gives (1 + 2^-8) + 2^-8 -> 1, rounding once gives 1 + 2^-7 = 1.0078125.
TEST(Bf16Sums, RoundOnce) {
  const BFloat16 one = to_bf16(1.0f), half_step = to_bf16(0.00390625f);
  const std::vector<BFloat16> a{one, one}, b{half_step, one}, c{half_step, one};
  const std::vector<const BFloat16*> contributions{a.data(), b.data(), c.data()};
  std::vector<BFloat16> sum(2);
  rank_ordered_sum<BFloat16>(contributions, sum.data(), 2);
  EXPECT_EQ(to_float(sum[0]), 1.0078125f);
  EXPECT_EQ(to_float(sum[1]), 3.0f);
}

// Member r contributes (r + 1) * (i % 32) at index i, at most 4 * 31 = 124: exact in 8 bits.
constexpr int kMembers = 4;
constexpr int64_t kSummedElements = 5000;

std::vector<BFloat16> bf16_contribution(int rank) {
  std::vector<BFloat16> values(kSummedElements);
  for (int64_t i = 0; i < kSummedElements; ++i)
    values[static_cast<size_t>(i)] = to_bf16(static_cast<float>((rank + 1) * (i % 32)));
  return values;
}

// sum over r of (r + 1) * (i % 32) = 10 * (i % 32) <= 310, rounded to a multiple of 2 above 256.
BFloat16 expected(int64_t index) { return to_bf16(static_cast<float>(10 * (index % 32))); }

TEST(Bf16Sums, ReachEveryMember) {
  LocalWorld world(kMembers);
  run_ranks(world, [](Transport& transport) {
    std::vector<int> all(kMembers);
    std::iota(all.begin(), all.end(), 0);
    Communicator group(transport, all, 0);

    std::vector<BFloat16> reduced = bf16_contribution(group.rank());
    group.all_reduce<BFloat16>(0, reduced.data(), kSummedElements)->wait();
    for (int64_t i = 0; i < kSummedElements; ++i) ASSERT_EQ(reduced[static_cast<size_t>(i)], expected(i)) << i;

    const std::vector<BFloat16> input = bf16_contribution(group.rank());
    const std::vector<int64_t> counts(kMembers, kSummedElements / kMembers);
    std::vector<BFloat16> slice(kSummedElements / kMembers);
    group.reduce_scatter<BFloat16>(1, input.data(), slice.data(), counts)->wait();
    for (int64_t i = 0; i < kSummedElements / kMembers; ++i)
      ASSERT_EQ(slice[static_cast<size_t>(i)], expected(group.rank() * (kSummedElements / kMembers) + i)) << i;
  });
}

}  // namespace
}  // namespace moesaic::executor
