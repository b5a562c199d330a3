#include "executor/cuda/linear.h"

#include <bit>

#include "executor/cuda/round_to_bf16.h"
#include "executor/reference/linear.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

class LinearOnCuda : public CudaTest {};

struct Sizes {
  int64_t m, n, k;
};
constexpr Sizes kSizes[] = {{1, 1, 1},     {3, 5, 7},       {33, 129, 65}, {64, 64, 64},
                            {1, 512, 128}, {257, 96, 1000}, {0, 8, 4}};

/// The nearest bfloat16, ties to even, by its definition on the bits.
float through_bf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((bits + 0x7FFFu + (bits >> 16 & 1u)) & 0xFFFF0000u);
}

Doubles operand(const Floats& x, Precision precision) {
  Doubles values;
  for (float value : x) values.push_back(precision == Precision::bf16 ? through_bf16(value) : value);
  return values;
}

/// Sums of at most 1000 products: f32 leaves 1e-6 of the largest, the truncating adders of tensor cores ten times more.
/// TF32 in the first case or a second rounding in the other one would show as 1e-3.
double tolerance_of(Precision precision) { return precision == Precision::bf16 ? 2e-5 : 2e-6; }

void compare_all(CudaBackend& backend, Sizes s, Precision precision, size_t offset) {
  SCOPED_TRACE(testing::Message() << s.m << " x " << s.n << " x " << s.k << " bf16 " << (precision == Precision::bf16));
  const auto [m, n, k] = s;
  const Floats x = random_floats(m * k, 1), w = random_floats(n * k, 2), dy = random_floats(m * n, 3);
  const Floats dw_before = random_floats(n * k, 4), dx_before = random_floats(m * k, 5);
  const Doubles x64 = operand(x, precision), w64 = operand(w, precision), dy64 = operand(dy, precision);
  Doubles y64(dy.size()), dx64(x.size()), more64 = to_double(dx_before), dw64 = to_double(dw_before);
  reference::linear_forward(x64.data(), w64.data(), y64.data(), m, n, k);
  reference::linear_dgrad(dy64.data(), w64.data(), dx64.data(), m, n, k);
  reference::linear_dgrad(dy64.data(), w64.data(), more64.data(), m, n, k, true);
  reference::linear_wgrad(dy64.data(), x64.data(), dw64.data(), m, n, k);

  const DeviceFloats on_x(backend, x), on_w(backend, w, offset), on_dy(backend, dy), y(backend, poisoned(m * n));
  const DeviceFloats dx(backend, poisoned(m * k)), more(backend, dx_before), dw(backend, dw_before, offset);
  Linear& linear = backend.linear();
  const Stream stream = backend.stream(Lane::compute);
  linear.forward(on_x.data(), on_w.data(), y.data(), m, n, k, precision, stream);
  linear.dgrad(on_dy.data(), on_w.data(), dx.data(), m, n, k, precision, stream);
  linear.dgrad(on_dy.data(), on_w.data(), more.data(), m, n, k, precision, stream, true);
  linear.wgrad(on_dy.data(), on_x.data(), dw.data(), m, n, k, precision, stream);
  expect_close(y.values(), y64, tolerance_of(precision), "y");
  expect_close(dx.values(), dx64, tolerance_of(precision), "dx");
  expect_close(more.values(), more64, tolerance_of(precision), "dx accumulated");
  expect_close(dw.values(), dw64, tolerance_of(precision), "dw");
}

TEST_F(LinearOnCuda, AgreesWithTheReferenceInF32) {
  for (const Sizes& sizes : kSizes) compare_all(*backend, sizes, Precision::f32, 0);
}

TEST_F(LinearOnCuda, AgreesWithTheReferenceOnRoundedOperands) {
  for (const Sizes& sizes : kSizes) compare_all(*backend, sizes, Precision::bf16, 0);
}

TEST_F(LinearOnCuda, TakesWeightsAtAnyFourByteBoundary) {
  for (const Precision precision : {Precision::f32, Precision::bf16})
    for (const Sizes& sizes : kSizes) compare_all(*backend, sizes, precision, 1);
}

TEST_F(LinearOnCuda, ChoosesAnAlgorithmOncePerShape) {
  compare_all(*backend, {16, 8, 24}, Precision::f32, 0);
  const size_t algorithms = backend->linear().cached_algorithms();
  EXPECT_EQ(algorithms, 4u);  // forward, two dgrads, wgrad
  compare_all(*backend, {16, 8, 24}, Precision::f32, 0);
  EXPECT_EQ(backend->linear().cached_algorithms(), algorithms);
}

TEST_F(LinearOnCuda, RepeatsBitForBit) {
  const int64_t m = 100, n = 200, k = 3000;
  const DeviceFloats x(*backend, random_floats(m * k, 1)), w(*backend, random_floats(n * k, 2));
  const DeviceFloats first(*backend, poisoned(m * n)), second(*backend, poisoned(m * n));
  backend->linear().forward(x.data(), w.data(), first.data(), m, n, k, Precision::f32, stream);
  backend->linear().forward(x.data(), w.data(), second.data(), m, n, k, Precision::f32, stream);
  EXPECT_EQ(first.values(), second.values());
}

TEST_F(LinearOnCuda, RoundsToNearestEvenAndKeepsNaN) {
  // 1 + 2^-8 lies between 1 (0x3F80) and 1 + 2^-7 (0x3F81): to even is down; 1 + 3 * 2^-8 goes up to 0x3F82.
  const Floats x = {1.0f, 1.00390625f, 1.01171875f, -2.0f, std::numeric_limits<float>::quiet_NaN()};
  const DeviceFloats from(*backend, x);
  const DeviceArray<BFloat16> to(*backend, std::vector<BFloat16>(5, 0xAAAA));
  round_to_bf16(from.data(), to.data(), 5, stream);
  const std::vector<BFloat16> y = to.values();
  EXPECT_EQ(std::vector<BFloat16>(y.begin(), y.begin() + 4), (std::vector<BFloat16>{0x3F80, 0x3F80, 0x3F82, 0xC000}));
  EXPECT_TRUE(std::isnan(std::bit_cast<float>(static_cast<uint32_t>(y[4]) << 16)));
}

TEST_F(LinearOnCuda, RoundsEveryElementOnceWhateverTheLengthAndAlignment) {
  for (const int64_t n : {0, 1, 3, 4, 5, 1023, 100'003})
    for (const size_t offset : {0u, 1u}) {
      const Floats x = random_floats(n, 7, 100.0);
      const DeviceFloats from(*backend, x, offset);
      const DeviceArray<BFloat16> to(*backend, std::vector<BFloat16>(x.size(), 0xFFFF));
      round_to_bf16(from.data(), to.data(), n, stream);
      const std::vector<BFloat16> y = to.values();
      for (size_t i = 0; i < x.size(); ++i)
        ASSERT_EQ(std::bit_cast<float>(static_cast<uint32_t>(y[i]) << 16), through_bf16(x[i])) << n << " " << i;
    }
}

}  // namespace
}  // namespace moesaic::executor::cuda
