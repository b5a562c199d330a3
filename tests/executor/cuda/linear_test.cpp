#include "executor/cuda/linear.h"

#include "executor/reference/linear.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

struct Sizes {
  int64_t m, n, k;
};
constexpr Sizes kSizes[] = {{1, 1, 1},     {3, 5, 7},       {33, 129, 65}, {64, 64, 64},
                            {1, 512, 128}, {257, 96, 1000}, {0, 8, 4},     {8, 4, 0}};

/// Sums of at most 1000 products: f32 leaves 1e-6 of the largest, the truncating adders of tensor cores ten times more.
/// TF32, or operands that are rounded once more, would show as 1e-3.
template <typename Element>
constexpr double kLinearTolerance = 2e-6;
template <>
constexpr double kLinearTolerance<BFloat16> = 2e-5;

template <typename Element>
class LinearOnCuda : public CudaTestOf<Element> {
 protected:
  void compare_all(Sizes s, size_t offset) {
    SCOPED_TRACE(::testing::Message() << s.m << " x " << s.n << " x " << s.k);
    const auto [m, n, k] = s;
    const auto x = random_elements<Element>(m * k, 1), w = random_elements<Element>(n * k, 2);
    const auto dy = random_elements<Element>(m * n, 3), dw_before = random_elements<Element>(n * k, 4);
    const auto dx_before = random_elements<Element>(m * k, 5);
    const Doubles x64 = to_double(x), w64 = to_double(w), dy64 = to_double(dy);
    Doubles y64(dy.size()), dx64(x.size()), more64 = to_double(dx_before), dw64 = to_double(dw_before);
    reference::linear_forward(x64.data(), w64.data(), y64.data(), m, n, k);
    reference::linear_dgrad(dy64.data(), w64.data(), dx64.data(), m, n, k);
    reference::linear_dgrad(dy64.data(), w64.data(), more64.data(), m, n, k, true);
    reference::linear_wgrad(dy64.data(), x64.data(), dw64.data(), m, n, k);

    CudaBackend& b = *this->backend;
    const DeviceArray<Element> on_x(b, x), on_w(b, w, offset), on_dy(b, dy), y(b, poisoned_elements<Element>(m * n));
    const DeviceArray<Element> dx(b, poisoned_elements<Element>(m * k)), more(b, dx_before), dw(b, dw_before, offset);
    Linear& linear = b.linear();
    linear.forward(on_x.data(), on_w.data(), y.data(), m, n, k, this->stream);
    linear.dgrad(on_dy.data(), on_w.data(), dx.data(), m, n, k, this->stream);
    linear.dgrad(on_dy.data(), on_w.data(), more.data(), m, n, k, this->stream, true);
    linear.wgrad(on_dy.data(), on_x.data(), dw.data(), m, n, k, this->stream);
    expect_stored(y.values(), y64, kLinearTolerance<Element>, "y");
    expect_stored(dx.values(), dx64, kLinearTolerance<Element>, "dx");
    expect_stored(more.values(), more64, kLinearTolerance<Element>, "dx accumulated");
    expect_stored(dw.values(), dw64, kLinearTolerance<Element>, "dw");
  }
};
TYPED_TEST_SUITE(LinearOnCuda, Elements);

TYPED_TEST(LinearOnCuda, AgreesWithTheReference) {
  for (const Sizes& sizes : kSizes) this->compare_all(sizes, 0);
}

TYPED_TEST(LinearOnCuda, TakesWeightsAtAnyElementBoundary) {
  for (const Sizes& sizes : kSizes) this->compare_all(sizes, 1);
}

TYPED_TEST(LinearOnCuda, ChoosesAnAlgorithmOncePerShape) {
  this->compare_all({16, 8, 24}, 0);
  const size_t algorithms = this->backend->linear().cached_algorithms();
  if (algorithms == 0) GTEST_SKIP() << "products without cuBLASLt choose nothing";
  EXPECT_EQ(algorithms, 4u);  // forward, two dgrads, wgrad
  this->compare_all({16, 8, 24}, 0);
  EXPECT_EQ(this->backend->linear().cached_algorithms(), algorithms);
}

TYPED_TEST(LinearOnCuda, RepeatsBitForBit) {
  const int64_t m = 20, n = 40, k = 3000;
  CudaBackend& b = *this->backend;
  const DeviceArray<TypeParam> x(b, random_elements<TypeParam>(m * k, 1)), w(b, random_elements<TypeParam>(n * k, 2));
  const DeviceArray<TypeParam> first(b, poisoned_elements<TypeParam>(m * n)),
      second(b, poisoned_elements<TypeParam>(m * n));
  b.linear().forward(x.data(), w.data(), first.data(), m, n, k, this->stream);
  b.linear().forward(x.data(), w.data(), second.data(), m, n, k, this->stream);
  EXPECT_EQ(first.values(), second.values());
}

}  // namespace
}  // namespace moesaic::executor::cuda
