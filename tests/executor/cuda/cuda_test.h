#pragma once
// A GPU for operator tests: arrays that live on the device, in both storage formats, and a fixture that skips where
// there is none. It holds no operator and no expectation of one.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "core/schema/bfloat16.h"
#include "executor/cuda/cuda_backend.h"
#include "tests/executor/cpu/test_arrays.h"

namespace moesaic::executor::cuda {

using cpu::Doubles;
using cpu::expect_close;
using cpu::Floats;
using cpu::poisoned;
using cpu::random_floats;
using cpu::to_double;

/// The storage formats: TYPED_TEST_SUITE(Fixture, Elements).
using Elements = ::testing::Types<float, BFloat16>;

/// What one rounding to the format may add, relative to the value: bfloat16 keeps 8 significant bits, so half a unit in
/// the last place is 2^-8. Expectations of f32 allow for their own sums in `tolerance`.
template <typename Element>
constexpr double rounding_of() {
  return sizeof(Element) == sizeof(float) ? 0.0 : 0x1p-8;
}

/// The values in the format: what is stored on the device, and after to_double() what the reference computes from.
template <typename Element>
std::vector<Element> as_elements(const Floats& x) {
  if constexpr (std::is_same_v<Element, float>) {
    return x;
  } else {
    std::vector<Element> result;
    for (float value : x) result.push_back(to_bf16(value));
    return result;
  }
}
template <typename Element>
std::vector<Element> random_elements(int64_t n, uint64_t seed, double size = 1.0) {
  return as_elements<Element>(random_floats(n, seed, size));
}
template <typename Element>
std::vector<Element> poisoned_elements(int64_t n) {
  return as_elements<Element>(poisoned(n));
}
inline Doubles to_double(const std::vector<BFloat16>& x) {
  Doubles result;
  for (BFloat16 value : x) result.push_back(to_float(value));
  return result;
}

/// Every element within `tolerance` of the largest expected value, and so many roundings of its own; NaN anywhere
/// fails.
template <typename Element>
void expect_stored(const std::vector<Element>& actual, const Doubles& expected, double tolerance, const char* what,
                   int roundings = 1) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  double largest = 1e-30;
  for (double value : expected) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < actual.size(); ++i)
    ASSERT_NEAR(static_cast<double>(to_float(actual[i])), expected[i],
                tolerance * largest + roundings * rounding_of<Element>() * std::abs(expected[i]))
        << what << " [" << i << "]";
}

/// Rows of `width` elements as vectors: the length of each one's error within `tolerance` of its own length, so that
/// small rows are not measured by large ones, and of a tenth of the longest, as a row may cancel to nothing.
inline void expect_rows_close(const Doubles& actual, const Doubles& expected, int64_t width, double tolerance,
                              const char* what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  const auto row_of = [&](size_t i) { return i / static_cast<size_t>(width); };
  Doubles errors(actual.size() / static_cast<size_t>(width)), lengths(errors.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    errors[row_of(i)] += std::pow(actual[i] - expected[i], 2);
    lengths[row_of(i)] += std::pow(expected[i], 2);
  }
  const double longest = std::sqrt(*std::max_element(lengths.begin(), lengths.end()));
  for (size_t row = 0; row < errors.size(); ++row)
    ASSERT_LE(std::sqrt(errors[row]), tolerance * (std::sqrt(lengths[row]) + 0.1 * longest)) << what << " " << row;
}

/// A copy of a host array on the device, `offset` elements behind a 256-byte boundary.
template <typename T>
class DeviceArray {
 public:
  DeviceArray(CudaBackend& backend, const std::vector<T>& values, size_t offset = 0)
      : backend_(backend), size_(values.size()), block_(backend.allocate(bytes() + offset_bytes(offset))) {
    data_ = static_cast<T*>(block_) + offset;
    backend_.copy(Lane::compute, data_, values.data(), bytes());
    backend_.synchronize();
  }
  ~DeviceArray() { backend_.release(block_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  /// Other values, as many as before; waits for what is under way.
  void assign(const std::vector<T>& values) {
    backend_.synchronize();
    backend_.copy(Lane::compute, data_, values.data(), bytes());
    backend_.synchronize();
  }
  std::vector<T> values() const {
    std::vector<T> result(size_);
    backend_.copy(Lane::compute, result.data(), data_, bytes());
    backend_.synchronize();
    return result;
  }

 private:
  static Bytes offset_bytes(size_t offset) { return static_cast<Bytes>(offset * sizeof(T)); }
  Bytes bytes() const { return static_cast<Bytes>(size_ * sizeof(T)); }

  CudaBackend& backend_;
  size_t size_;
  void* block_;
  T* data_ = nullptr;
};

using DeviceFloats = DeviceArray<float>;
using DeviceInts = DeviceArray<int32_t>;

class CudaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (device_count() == 0) GTEST_SKIP() << "no CUDA device on this machine";
    backend = std::make_unique<CudaBackend>();
    stream = backend->stream(Lane::compute);
  }

  std::unique_ptr<CudaBackend> backend;
  Stream stream = nullptr;
};

/// A fixture per storage format, for TYPED_TEST.
template <typename Element>
class CudaTestOf : public CudaTest {};

}  // namespace moesaic::executor::cuda
