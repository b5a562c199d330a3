#pragma once
// The sum of squares of f32 numbers, exactly: whatever their order and however they are shared out, the sum is the same
// to the bit. It reads no arrays; devices do.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace moesaic {

/// A fixed-point number as large as any such sum: word i counts 2^(32 i - 298), the square of the smallest f32 being
/// 2^-298. A number m 2^(e - 150) of exponent bits e and significand m < 2^24 has the square m^2 2^(2 e - 300): squares
/// of one exponent add up as integers.
class ExactSquares {
 public:
  static constexpr size_t kWords = 15;       // 480 bits: squares below 2^128, 2^40 of them, and what 64-bit pieces need
  static constexpr size_t kExponents = 256;  // of f32
  /// Sums of m^2, below 2^48 each, of as many numbers fit 64 bits.
  static constexpr int64_t kMostPerSum = int64_t{1} << 16;

  /// `sums`: of m^2 / 2^(32 words_up), by exponent bits; of numbers whose squares are finite in f32. `words_up`: 0
  /// or 1.
  void add(std::span<const uint64_t, kExponents> sums, size_t words_up = 0);

  /// Each below 2^32, so that doubles carry them, and the sums over 2^20 ranks, exactly.
  std::array<double, kWords> words() const;
  static ExactSquares of_words(std::span<const double, kWords> words);

  double value() const;

 private:
  std::array<uint64_t, kWords> carried() const;

  std::array<uint64_t, kWords> words_ = {};  // what is above 32 bits is carried on when it is read
};

}  // namespace moesaic
