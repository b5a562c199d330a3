#include "executor/cuda/add.h"
#include "executor/cuda/gelu.h"
#include "executor/cuda/swiglu.h"
#include "executor/reference/gelu.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

template <typename Element>
class ElementwiseOnCuda : public CudaTestOf<Element> {};
TYPED_TEST_SUITE(ElementwiseOnCuda, Elements);

// One f32 sum, rounded once, so every bit is known. 1027 and 70,001 leave elements behind the last vector; 70,001 is
// more than one block of either format takes.
TYPED_TEST(ElementwiseOnCuda, AddsAndAccumulatesExactly) {
  for (const int64_t n : {0, 1, 3, 4, 8, 1027, 70'001})
    for (const size_t offset : {0u, 1u}) {
      const auto a = random_elements<TypeParam>(n, 1), b = random_elements<TypeParam>(n, 2);
      Floats sum;
      for (size_t i = 0; i < a.size(); ++i) sum.push_back(to_float(a[i]) + to_float(b[i]));
      const DeviceArray<TypeParam> on_a(*this->backend, a, offset), on_b(*this->backend, b);
      const DeviceArray<TypeParam> y(*this->backend, poisoned_elements<TypeParam>(n)), z(*this->backend, b);
      add(on_a.data(), on_b.data(), y.data(), n, this->stream);
      accumulate(on_a.data(), z.data(), n, this->stream);
      EXPECT_EQ(y.values(), as_elements<TypeParam>(sum)) << n;
      EXPECT_EQ(z.values(), as_elements<TypeParam>(sum)) << n;
    }
}

// The normal distribution to 7.5e-8 and a few units in the last place of f32: 5e-7 of the largest value.
TYPED_TEST(ElementwiseOnCuda, GeluAgreesWithTheReferenceAlsoInPlace) {
  const int64_t n = 10'007;
  const auto x = random_elements<TypeParam>(n, 1, 6.0), dy = random_elements<TypeParam>(n, 2);
  Doubles y64(x.size()), dx64(x.size());
  reference::gelu_forward(to_double(x).data(), y64.data(), n);
  reference::gelu_backward(to_double(dy).data(), to_double(x).data(), dx64.data(), n);
  const DeviceArray<TypeParam> on_x(*this->backend, x), y(*this->backend, poisoned_elements<TypeParam>(n));
  const DeviceArray<TypeParam> dx(*this->backend, dy), in_place(*this->backend, x);
  gelu_forward(on_x.data(), y.data(), n, this->stream);
  gelu_forward(in_place.data(), in_place.data(), n, this->stream);
  gelu_backward(dx.data(), on_x.data(), dx.data(), n, this->stream);
  expect_stored(y.values(), y64, 5e-7, "y");
  expect_stored(dx.values(), dx64, 5e-7, "dx");
  EXPECT_EQ(y.values(), in_place.values());
}

TYPED_TEST(ElementwiseOnCuda, GeluShowsNaN) {
  const DeviceArray<TypeParam> x(*this->backend, poisoned_elements<TypeParam>(1));
  const DeviceArray<TypeParam> y(*this->backend, as_elements<TypeParam>({0.0f}));
  gelu_forward(x.data(), y.data(), 1, this->stream);
  EXPECT_TRUE(std::isnan(to_float(y.values()[0])));
}

struct Swiglu {
  Doubles y, dgate_up;
};

/// s = 1 / (1 + e^-g): y = g s u; dg = dy u s (1 + g (1 - s)); du = dy g s.
Swiglu swiglu64(const Doubles& gate_up, const Doubles& dy, int64_t m, int64_t f) {
  Swiglu result{Doubles(dy.size()), Doubles(gate_up.size())};
  for (int64_t i = 0; i < m * f; ++i) {
    const auto at_y = static_cast<size_t>(i), at_gate = static_cast<size_t>(i / f * 2 * f + i % f);
    const auto at_up = at_gate + static_cast<size_t>(f);
    const double g = gate_up[at_gate], u = gate_up[at_up], s = 1.0 / (1.0 + std::exp(-g)), d = dy[at_y];
    result.y[at_y] = g * s * u;
    result.dgate_up[at_gate] = d * u * s * (1.0 + g * (1.0 - s));
    result.dgate_up[at_up] = d * g * s;
  }
  return result;
}

// Widths that vectors of either format divide, or not, and more than a block's threads of them.
TYPED_TEST(ElementwiseOnCuda, SwigluAgreesWithItsFormulaAlsoInPlace) {
  for (const int64_t m : {0, 1, 5})
    for (const int64_t f : {1, 7, 8, 36, 2064})
      for (const size_t offset : {0u, 1u}) {
        SCOPED_TRACE(::testing::Message() << m << " x " << f << " offset " << offset);
        const auto gate_up = random_elements<TypeParam>(2 * m * f, 1, 6.0), dy = random_elements<TypeParam>(m * f, 2);
        const Swiglu expected = swiglu64(to_double(gate_up), to_double(dy), m, f);
        const DeviceArray<TypeParam> both(*this->backend, gate_up, offset), on_dy(*this->backend, dy);
        const DeviceArray<TypeParam> y(*this->backend, poisoned_elements<TypeParam>(m * f));
        swiglu_forward(both.data(), y.data(), m, f, this->stream);
        swiglu_backward(on_dy.data(), both.data(), both.data(), m, f, this->stream);
        expect_stored(y.values(), expected.y, 5e-7, "y");
        expect_stored(both.values(), expected.dgate_up, 5e-7, "dgate_up");
      }
}

}  // namespace
}  // namespace moesaic::executor::cuda
