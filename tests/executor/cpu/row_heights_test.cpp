#include "executor/cpu/row_heights.h"

#include <gtest/gtest.h>

#include <vector>

#include "executor/cpu/instruction_set.h"
#include "executor/cpu/matmul.h"
#include "executor/cpu/plain_product.h"
#include "executor/reference/matmul.h"
#include "tests/executor/cpu/test_arrays.h"

namespace moesaic::executor::cpu {
namespace {

struct Block {
  std::int64_t first, rows, height;
  bool operator==(const Block&) const = default;
};

template <typename Keeps>
std::vector<Block> blocks_of(std::int64_t rows, const Keeps& keeps) {
  std::vector<Block> blocks;
  for_each_row_block(rows, keeps, [&](std::int64_t first, std::int64_t taken, std::int64_t height) {
    blocks.push_back({first, taken, height});
  });
  return blocks;
}

TEST(RowHeights, WhereEveryHeightKeepsBitsOnlyTheTailIsFilledUp) {
  const auto all = [](std::int64_t) { return true; };
  EXPECT_EQ(blocks_of(0, all), (std::vector<Block>{}));
  EXPECT_EQ(blocks_of(1, all), (std::vector<Block>{{0, 1, 8}}));
  // 1100 = 512 + 512 + 72 + 4
  EXPECT_EQ(blocks_of(1100, all), (std::vector<Block>{{0, 512, 512}, {512, 512, 512}, {1024, 72, 72}, {1096, 4, 8}}));
}

TEST(RowHeights, WhereNoOtherHeightKeepsBitsBlocksAreThoseOfTheReference) {
  const auto none = [](std::int64_t) { return false; };
  EXPECT_EQ(blocks_of(130, none), (std::vector<Block>{{0, 64, 64}, {64, 64, 64}, {128, 2, 64}}));
}

TEST(RowHeights, ATailIsFilledUpToTheNextHeightThatKeepsBits) {
  // As with AVX2: multiples of 24 and 16 more keep them. 80 = 64 + 16; 56 is filled up to 64, 3 to 16.
  const auto third = [](std::int64_t height) { return height % 24 == 0 || height % 24 == 16; };
  EXPECT_EQ(blocks_of(80, third), (std::vector<Block>{{0, 64, 64}, {64, 16, 16}}));
  EXPECT_EQ(blocks_of(56, third), (std::vector<Block>{{0, 56, 64}}));
  EXPECT_EQ(blocks_of(3, third), (std::vector<Block>{{0, 3, 16}}));
}

// C = A B in plain loops over k; from `cut` rows on the sum has two halves, as a library may do it.
struct TwoOrders {
  std::int64_t cut;
  bool uneven = false;  // halves for the last row of a block alone
  void operator()(const PrimitiveKey& key, const void* a, const void* b, float* c) const {
    const auto *x = static_cast<const float*>(a), *y = static_cast<const float*>(b);
    for (std::int64_t i = 0; i < key.m; ++i)
      for (std::int64_t j = 0; j < key.n; ++j) {
        const auto sum = [&](std::int64_t begin, std::int64_t end) {
          float s = 0;
          for (std::int64_t l = begin; l < end; ++l) s += x[i * key.a_row + l] * y[l * key.b_row + j * key.b_column];
          return s;
        };
        const bool halves = uneven ? i == key.m - 1 : key.m >= cut;
        c[i * key.ldc + j] = halves ? sum(0, key.k / 2) + sum(key.k / 2, key.k) : sum(0, key.k);
      }
  }
};

PrimitiveKey key_of_height(std::int64_t m) { return {m, 24, 40, 40, 1, 24, 1, 24, false, false}; }

TEST(RowHeights, AnotherOrderOfSumsIsSeen) {
  EXPECT_TRUE(keeps_row_bits(key_of_height(8), TwoOrders{512}));
  EXPECT_TRUE(keeps_row_bits(key_of_height(128), TwoOrders{512}));
  EXPECT_FALSE(keeps_row_bits(key_of_height(128), TwoOrders{128}));
  EXPECT_FALSE(keeps_row_bits(key_of_height(8), TwoOrders{64})) << "the reference is the odd one, 8 rows still differ";
  EXPECT_FALSE(keeps_row_bits(key_of_height(64), TwoOrders{0, true})) << "the reference block's last row differs";
}

TEST(RowHeights, LoopsKeepBitsAtEveryHeightAndFormat) {
  for (const bool bf16 : {false, true})
    for (const std::int64_t height : {8, 64, 72, 512}) {
      PrimitiveKey key{height, 33, 65, 70, 1, 1, 65, 40, true, bf16};
      EXPECT_TRUE(keeps_row_bits(key, plain_product)) << height;
    }
}

// Of operands rounded to bf16 every product of two is exact in f32, so whatever the instructions: sums of 515 products
// below 1 in f32, which round like sqrt(515) 2^-24.
TEST(InstructionSet, ProductsOfRoundedOperandsAgreeWithTheReferenceOnAnyOfThem) {
  const std::int64_t m = 37, n = 24, k = 515;
  const Floats a = random_floats(m * k, 1), b = random_floats(k * n, 2);
  std::vector<BFloat16> a16(a.size()), b16(b.size());
  round_to_bf16(a.data(), a16.data(), m * k);
  round_to_bf16(b.data(), b16.data(), k * n);
  Floats a_seen(a.size()), b_seen(b.size()), c = poisoned(m * n);
  widen_bf16(a16.data(), a_seen.data(), m * k);
  widen_bf16(b16.data(), b_seen.data(), k * n);
  matmul(a16.data(), b16.data(), c.data(), {m, n, k});
  Doubles expected(c.size());
  reference::matmul(to_double(a_seen).data(), to_double(b_seen).data(), expected.data(), m, n, k,
                    reference::Transpose::no, reference::Transpose::no, false);
  expect_close(c, expected, 1e-5, instruction_set().c_str());
}

}  // namespace
}  // namespace moesaic::executor::cpu
