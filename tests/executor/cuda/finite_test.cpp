#include "executor/cuda/finite.h"

#include "executor/cuda/storage_format.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

template <typename Element>
class FiniteOnCuda : public CudaTestOf<Element> {
 protected:
  int64_t search(const std::vector<Gradient>& gradients) {
    const DeviceArray<int64_t> found(*this->backend, {77});
    find_non_finite(gradients, found.data(), nullptr, this->stream);
    return found.values()[0];
  }
  int64_t search(const Floats& values, size_t offset = 0) {
    const DeviceArray<Element> x(*this->backend, as_elements<Element>(values), offset);
    return search({{x.data(), static_cast<int64_t>(values.size()), kFormatOf<Element>}});
  }
};
TYPED_TEST_SUITE(FiniteOnCuda, Elements);

TYPED_TEST(FiniteOnCuda, FindsNothingInFiniteArrays) {
  EXPECT_EQ(this->search(std::vector<Gradient>{}), -1);
  for (const int64_t n : {0, 1, 7, 20'001})
    EXPECT_EQ(this->search(random_floats(n, 1, 1e19)), -1) << n;  // 2^64: 1.8e19
}

// A block takes 8192 elements. Of two, the first is found.
TYPED_TEST(FiniteOnCuda, FindsTheFirstAnywhereAtAnyAddress) {
  for (const size_t at : {0u, 7u, 8'191u, 8'192u, 19'999u, 20'000u})
    for (const size_t offset : {0u, 1u}) {
      Floats x = random_floats(20'001, 1);
      x[20'000] = kInfinity;
      x[at] = kNaN;
      EXPECT_EQ(this->search(x, offset), static_cast<int64_t>(at)) << offset;
    }
}

TYPED_TEST(FiniteOnCuda, TakesSquaresBelowTheLargestFloatOnly) {
  EXPECT_EQ(this->search({0x1.fep63f, -0x1.fep63f}), -1);
  for (const float value : {0x1p64f, -0x1p64f, kInfinity, -kInfinity, kNaN, -kNaN})
    EXPECT_EQ(this->search({1.0f, value}), 1) << value;
}

// 2,000 times seven quarters and three eighths, an infinity that does not count, and what a block of 8192 leaves over.
TYPED_TEST(FiniteOnCuda, SumsSquares) {
  Floats x(20'001, 0.375f);
  std::fill_n(x.begin(), 2'000, -1.75f);
  const double expected = 2'000 * 1.75 * 1.75 + 18'001 * 0.375 * 0.375;
  const DeviceArray<TypeParam> array(*this->backend, as_elements<TypeParam>(x));
  const DeviceArray<int64_t> found(*this->backend, {77});
  const DeviceArray<uint64_t> sums(*this->backend, std::vector<uint64_t>(2 * ExactSquares::kExponents, 77));
  find_non_finite(std::vector<Gradient>(3, {array.data(), 20'001, kFormatOf<TypeParam>}), found.data(), sums.data(),
                  this->stream);
  EXPECT_EQ(found.values()[0], -1);
  const std::vector<uint64_t> halves = sums.values();
  ExactSquares squares;
  squares.add(std::span(halves).template first<ExactSquares::kExponents>(), 0);
  squares.add(std::span(halves).template last<ExactSquares::kExponents>(), 1);
  EXPECT_EQ(squares.value(), 3 * expected);
}

// More arrays than one launch holds, empty ones among them, and both formats.
TYPED_TEST(FiniteOnCuda, NamesTheFirstArray) {
  const DeviceArray<TypeParam> good(*this->backend, as_elements<TypeParam>({1.0f, 2.0f, 3.0f}));
  const DeviceArray<TypeParam> bad(*this->backend, as_elements<TypeParam>({1.0f, 2.0f, kNaN}));
  const DeviceFloats other(*this->backend, {kInfinity});
  std::vector<Gradient> gradients(2500, Gradient{good.data(), 3, kFormatOf<TypeParam>});
  gradients[4].count = gradients[2499].count = 0;
  EXPECT_EQ(this->search(gradients), -1);
  gradients[2400].data = bad.data();
  EXPECT_EQ(this->search(gradients), (int64_t{2400} << 40) + 2);
  gradients[1100] = {other.data(), 1, DType::f32};
  const int64_t found = this->search(gradients);
  EXPECT_EQ(array_of(found), 1100);
  EXPECT_EQ(element_of(found), 0);
}

}  // namespace
}  // namespace moesaic::executor::cuda
