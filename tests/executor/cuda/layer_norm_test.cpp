#include "executor/cuda/layer_norm.h"

#include "executor/reference/layer_norm.h"
#include "executor/reference/rms_norm.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

template <typename Element>
class LayerNormOnCuda : public CudaTestOf<Element> {
 protected:
  /// Sums of h or m f32 terms: 2e-6 of the largest value. A row of few elements nearly cancels in dx, a row of one
  /// entirely: there the terms, about 3 / inverse_std, count and not the result.
  void compare(int64_t m, int64_t h, size_t offset) {
    for (const bool rms : {false, true}) compare(m, h, offset, rms);
  }

  void compare(int64_t m, int64_t h, size_t offset, bool rms) {
    SCOPED_TRACE(::testing::Message() << m << " x " << h << " offset " << offset << (rms ? " rms" : ""));
    const int64_t parameters = rms ? h : 2 * h;
    const auto x = random_elements<Element>(m * h, 1, 3.0), gain_bias = random_elements<Element>(parameters, 2);
    const auto dy = random_elements<Element>(m * h, 3), before = random_elements<Element>(parameters, 4);
    Doubles y64(x.size()), stats64(static_cast<size_t>(2 * m)), dx64(x.size()), dgain_bias64 = to_double(before);
    const auto forward64 = rms ? reference::rms_norm_forward : reference::layer_norm_forward;
    const auto backward64 = rms ? reference::rms_norm_backward : reference::layer_norm_backward;
    constexpr float kEpsilon = 1e-6f;
    forward64(to_double(x).data(), to_double(gain_bias).data(), y64.data(), stats64.data(), m, h, kEpsilon);
    backward64(to_double(dy).data(), to_double(x).data(), stats64.data(), to_double(gain_bias).data(), dx64.data(),
               dgain_bias64.data(), m, h);
    CudaBackend& b = *this->backend;
    const DeviceArray<Element> on_x(b, x), on_gain(b, gain_bias, offset), y(b, poisoned_elements<Element>(m * h));
    const DeviceFloats stats(b, poisoned(2 * m));
    const DeviceArray<Element> dx(b, dy), dgain_bias(b, before), again(b, before);
    layer_norm_forward(on_x.data(), on_gain.data(), y.data(), stats.data(), m, h, this->stream, {rms, kEpsilon});
    layer_norm_backward(dx.data(), on_x.data(), stats.data(), on_gain.data(), dx.data(), dgain_bias.data(), m, h,
                        b.linear().scratch(), this->stream, rms);
    expect_stored(y.values(), y64, 1e-6, "y");
    expect_close(stats.values(), stats64, 1e-6, "stats");
    expect_stored(dgain_bias.values(), dgain_bias64, 2e-6, "dgain_bias");
    if (h > 1) expect_stored(dx.values(), dx64, 4e-6, "dx");
    // Once more with another dx: the sums repeat bit for bit.
    const DeviceArray<Element> on_dy(b, dy), other(b, poisoned_elements<Element>(m * h));
    layer_norm_backward(on_dy.data(), on_x.data(), stats.data(), on_gain.data(), other.data(), again.data(), m, h,
                        b.linear().scratch(), this->stream, rms);
    EXPECT_EQ(again.values(), dgain_bias.values());
    EXPECT_EQ(other.values(), dx.values());
  }
};
TYPED_TEST_SUITE(LayerNormOnCuda, Elements);

// 8 is one vector of bf16 and two of f32. 64 threads hold 2048 f32 or 4096 bf16 forward, and half of that backward;
// 512 threads hold 16,384 f32 forward.
TYPED_TEST(LayerNormOnCuda, AgreesWithTheReferenceAtEveryWidth) {
  for (const int64_t h : {1, 7, 8, 33, 512, 1030, 2056, 4104, 8192, 16'392}) this->compare(3, h, 0);
}

TYPED_TEST(LayerNormOnCuda, AgreesWithTheReferenceAtOddAddresses) {
  for (const int64_t h : {8, 264, 1032}) this->compare(5, h, 1);
}

// Blocks take several rows each: at most 4224 blocks of 64 threads forward, 1056 backward, and 264 of rows that vectors
// do not divide.
TYPED_TEST(LayerNormOnCuda, AgreesWithTheReferenceOverManyRows) {
  this->compare(4300, 16, 0);
  this->compare(600, 9, 0);
}

TYPED_TEST(LayerNormOnCuda, DoesNothingToNoRows) { this->compare(0, 16, 0); }

}  // namespace
}  // namespace moesaic::executor::cuda
