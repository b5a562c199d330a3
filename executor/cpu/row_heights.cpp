#include "executor/cpu/row_heights.h"

#include <cstring>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "executor/cpu/bfloat16.h"

namespace moesaic::executor::cpu {
namespace {

constexpr std::int64_t kContents = 7;  // different rows; prime to 8, so that each of them comes to stand at every place
constexpr std::size_t kTile = 4099;    // values drawn; they repeat from then on. A prime: no row lies like another one

/// Values in [-1, 1) with all the bits that the format has.
template <typename Element>
std::vector<Element> drawn(std::size_t count, unsigned seed) {
  std::minstd_rand engine(seed);
  std::uniform_real_distribution<float> draw(-1.0f, 1.0f);
  std::vector<Element> values(count);
  for (std::size_t i = 0; i < std::min(count, kTile); ++i) {
    if constexpr (std::is_same_v<Element, BFloat16>)
      values[i] = to_bf16(draw(engine));
    else
      values[i] = draw(engine);
  }
  for (std::size_t i = kTile; i < count; i += kTile)
    std::copy_n(values.begin(), std::min(kTile, count - i), values.begin() + static_cast<std::ptrdiff_t>(i));
  return values;
}

/// `rows` rows of `columns` values, row r with content r mod kContents: [rows, stride].
template <typename Element>
std::vector<Element> repeated_rows(std::int64_t rows, std::int64_t columns, std::int64_t stride, unsigned seed) {
  const std::vector<Element> contents = drawn<Element>(static_cast<std::size_t>(kContents * columns), seed);
  std::vector<Element> all(static_cast<std::size_t>(rows * stride));
  for (std::int64_t row = 0; row < rows; ++row)
    std::copy_n(contents.begin() + row % kContents * columns, columns, all.begin() + row * stride);
  return all;
}

template <typename Element>
std::vector<float> result_of(PrimitiveKey key, std::int64_t rows, const std::vector<Element>& b,
                             const Product& product) {
  key.m = rows;
  const std::vector<Element> a = repeated_rows<Element>(rows, key.k, key.a_row, 1);
  std::vector<float> c = repeated_rows<float>(rows, key.n, key.ldc, 3);
  product(key, a.data(), b.data(), c.data());
  return c;
}

/// Whether every row has the bits of the first one with its content in `expected`.
bool same_rows(const std::vector<float>& c, const std::vector<float>& expected, std::int64_t rows,
               const PrimitiveKey& key) {
  for (std::int64_t row = 0; row < rows; ++row)
    if (std::memcmp(c.data() + row * key.ldc, expected.data() + row % kContents * key.ldc,
                    static_cast<std::size_t>(key.n) * sizeof(float)) != 0)
      return false;
  return true;
}

template <typename Element>
bool check(const PrimitiveKey& key, const Product& product) {
  const std::int64_t b_elements = (key.k - 1) * key.b_row + (key.n - 1) * key.b_column + 1;
  const std::vector<Element> b = drawn<Element>(static_cast<std::size_t>(b_elements), 2);
  const std::vector<float> expected = result_of(key, kReferenceRows, b, product);
  if (!same_rows(expected, expected, kReferenceRows, key)) return false;
  return key.m == kReferenceRows || same_rows(result_of(key, key.m, b, product), expected, key.m, key);
}

}  // namespace

bool keeps_row_bits(const PrimitiveKey& key, const Product& product) {
  return key.bf16 ? check<BFloat16>(key, product) : check<float>(key, product);
}

bool keeps_row_bits(const PrimitiveKey& key) {
  static std::shared_mutex mutex;
  static std::unordered_map<PrimitiveKey, bool, PrimitiveKeyHash> known;
  {
    const std::shared_lock lock(mutex);
    if (const auto found = known.find(key); found != known.end()) return found->second;
  }
  const bool keeps = keeps_row_bits(key, execute_primitive);  // two ranks may find it out at once: the same
  const std::unique_lock lock(mutex);
  return known.emplace(key, keeps).first->second;
}

}  // namespace moesaic::executor::cpu
