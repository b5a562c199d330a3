#include "core/schema/exact_squares.h"

#include <algorithm>
#include <cmath>

namespace moesaic {
namespace {

constexpr int kWordBits = 32, kLeastExponent = -298;
constexpr uint64_t kWordMask = 0xFFFFFFFF;

}  // namespace

void ExactSquares::add(std::span<const uint64_t, kExponents> sums, size_t words_up) {
  for (size_t exponent = 0; exponent < kExponents; ++exponent) {
    if (sums[exponent] == 0) continue;
    const size_t bit = 2 * std::max<size_t>(exponent, 1) - 2;  // numbers without a leading one have the scale of 1
    const size_t word = bit / kWordBits + words_up, shift = bit % kWordBits;
    const uint64_t low = (sums[exponent] & kWordMask) << shift, high = (sums[exponent] >> kWordBits) << shift;
    words_[word] += low & kWordMask;
    words_[word + 1] += (low >> kWordBits) + (high & kWordMask);
    words_[word + 2] += high >> kWordBits;
  }
}

std::array<uint64_t, ExactSquares::kWords> ExactSquares::carried() const {
  std::array<uint64_t, kWords> words{};
  uint64_t carry = 0;
  for (size_t i = 0; i < kWords; ++i) {
    const uint64_t sum = words_[i] + carry;
    words[i] = sum & kWordMask;
    carry = sum >> kWordBits;
  }
  return words;
}

std::array<double, ExactSquares::kWords> ExactSquares::words() const {
  std::array<double, kWords> words{};
  std::ranges::copy(carried(), words.begin());
  return words;
}

ExactSquares ExactSquares::of_words(std::span<const double, kWords> words) {
  ExactSquares squares;
  for (size_t i = 0; i < kWords; ++i) squares.words_[i] = static_cast<uint64_t>(words[i]);
  return squares;
}

double ExactSquares::value() const {
  const std::array<uint64_t, kWords> words = carried();
  double value = 0;
  for (size_t i = kWords; i-- > 0;)
    value += std::ldexp(static_cast<double>(words[i]), kWordBits * static_cast<int>(i) + kLeastExponent);
  return value;
}

}  // namespace moesaic
