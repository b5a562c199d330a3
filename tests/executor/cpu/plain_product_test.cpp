#include "executor/cpu/plain_product.h"

#include <gtest/gtest.h>

#include "executor/cpu/bfloat16.h"
#include "tests/executor/cpu/test_arrays.h"

namespace moesaic::executor::cpu {
namespace {

// Every layout of A and B, sizes around the blocks of 4 rows and 32 columns. Sums of at most 515 products of
// values below 1 differ by rounding alone: below 1e-5 of the largest.
TEST(PlainProduct, AgreesWithTheOneThatIsBuiltIn) {
  constexpr std::int64_t kSizes[][3] = {{1, 1, 1}, {3, 33, 7}, {4, 32, 256}, {9, 65, 257}, {37, 31, 515}};
  for (const auto& [m, n, k] : kSizes) {
    const Floats a = random_floats(m * k, 1), b = random_floats(k * n, 2), start = random_floats(m * n, 3);
    std::vector<BFloat16> a16(a.size()), b16(b.size());
    round_to_bf16(a.data(), a16.data(), m * k);
    round_to_bf16(b.data(), b16.data(), k * n);
    for (int layout = 0; layout < 16; ++layout) {
      SCOPED_TRACE(::testing::Message() << m << " " << n << " " << k << " layout " << layout);
      const bool ta = layout & 1, tb = layout & 2, accumulate = layout & 4, bf16 = layout & 8;
      const PrimitiveKey key{m, n, k, ta ? 1 : k, ta ? m : 1, tb ? 1 : n, tb ? k : 1, n, accumulate, bf16};
      const void *left = a.data(), *right = b.data();
      if (bf16) left = a16.data(), right = b16.data();
      Floats c = accumulate ? start : poisoned(m * n), expected = c;
      plain_product(key, left, right, c.data());
      execute_primitive(key, left, right, expected.data());
      expect_close(c, to_double(expected), 1e-5, "c");
    }
  }
}

// 2^24 + (0.75 + 0.75): the sum 1.5 rounds the result to 2^24 + 2; one term after the other would be lost.
TEST(PlainProduct, AddsTheWholeSumToWhatIsThere) {
  const Floats a = {0.75f, 0.75f}, b = {1.0f, 1.0f};
  Floats c = {0x1p24f};
  plain_product({1, 1, 2, 2, 1, 1, 1, 1, true, false}, a.data(), b.data(), c.data());
  EXPECT_EQ(c[0], 0x1p24f + 2.0f);
}

}  // namespace
}  // namespace moesaic::executor::cpu
