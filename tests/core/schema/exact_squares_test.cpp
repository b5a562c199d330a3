// Sums of squares against long double where that is exact, and whatever their order where it is not.
#include "core/schema/exact_squares.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "core/schema/hash.h"

namespace moesaic {
namespace {

/// One number after the other, as devices do it many at a time.
void add(const std::vector<float>& numbers, ExactSquares& squares) {
  for (const float number : numbers) {
    const uint32_t bits = std::bit_cast<uint32_t>(number) & 0x7FFFFFFF, exponent = bits >> 23;
    const uint64_t significand = (bits & 0x7FFFFF) | (exponent > 0 ? 0x800000u : 0u);
    std::array<uint64_t, ExactSquares::kExponents> sums{};
    sums[exponent] = significand * significand;
    squares.add(sums);
  }
}

double sum_of(const std::vector<float>& numbers) {
  ExactSquares squares;
  add(numbers, squares);
  return squares.value();
}

TEST(ExactSquares, AreSquares) {
  EXPECT_EQ(sum_of({}), 0);
  EXPECT_EQ(sum_of({3, -4}), 25);
  EXPECT_EQ(sum_of({0.0f, -0.0f, 1.5f}), 2.25);
  EXPECT_EQ(sum_of({0x1p-149f}), 0x1p-298);                   // the smallest f32
  EXPECT_EQ(sum_of({0x1p-126f, 0x1p-127f}), 0x1.4p-252);      // the smallest with a leading one, and half of it
  EXPECT_EQ(sum_of({0x1.fffffep63f}), 0x1.fffffc000002p127);  // the largest with a finite square
}

// 2^30 and then 2^12 times 2^-40: in double, each of the small ones would be lost beside 2^60.
TEST(ExactSquares, LoseNothing) {
  std::vector<float> numbers(4096, 0x1p-40f);
  numbers.insert(numbers.begin(), 0x1p30f);
  ExactSquares all, large;
  add(numbers, all);
  add({0x1p30f}, large);
  std::array<double, ExactSquares::kWords> rest = all.words();
  for (size_t i = 0; i < rest.size(); ++i) rest[i] -= large.words()[i];
  EXPECT_EQ(ExactSquares::of_words(rest).value(), 0x1p-68);
}

// Numbers of all magnitudes, shared among four ranks whose words are summed as doubles.
TEST(ExactSquares, DoNotDependOnTheirOrder) {
  std::vector<float> numbers;
  for (uint64_t i = 0; numbers.size() < 4000; ++i) {
    const auto number = std::bit_cast<float>(static_cast<uint32_t>(splitmix64(i)));
    if (std::isfinite(number * number)) numbers.push_back(number);
  }
  std::array<double, ExactSquares::kWords> sum{};
  for (size_t rank = 0; rank < 4; ++rank) {
    std::vector<float> share;
    for (size_t i = numbers.size(); i-- > 0;)
      if (splitmix64(i) % 4 == rank) share.push_back(numbers[i]);
    ExactSquares squares;
    add(share, squares);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += squares.words()[i];
  }
  ExactSquares whole;
  add(numbers, whole);
  EXPECT_EQ(ExactSquares::of_words(sum).words(), whole.words());
  long double expected = 0;
  for (const float number : numbers) expected += static_cast<long double>(number) * number;
  EXPECT_NEAR(whole.value() / static_cast<double>(expected), 1, 1e-15);
}

// A device gives sums that exceed 64 bits in halves: 2^40 times 1.5^2.
TEST(ExactSquares, TakeHalves) {
  constexpr uint64_t kSquare = 0xC00000ull * 0xC00000ull, kCount = uint64_t{1} << 40;
  std::array<uint64_t, ExactSquares::kExponents> low{}, high{};
  low[127] = (kSquare & 0xFFFFFFFF) * kCount;
  high[127] = (kSquare >> 32) * kCount;
  ExactSquares squares;
  squares.add(low, 0);
  squares.add(high, 1);
  EXPECT_EQ(squares.value(), 2.25 * 0x1p40);
}

}  // namespace
}  // namespace moesaic
