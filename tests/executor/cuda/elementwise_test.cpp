#include "executor/cuda/add.h"
#include "executor/cuda/embedding.h"
#include "executor/cuda/gelu.h"
#include "executor/cuda/layer_norm.h"
#include "executor/reference/embedding.h"
#include "executor/reference/gelu.h"
#include "executor/reference/layer_norm.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {
namespace {

class ElementwiseOnCuda : public CudaTest {};

TEST_F(ElementwiseOnCuda, AddsAndAccumulatesExactly) {
  for (const int64_t n : {0, 1, 3, 4, 1027, 300'000})
    for (const size_t offset : {0u, 1u}) {
      const Floats a = random_floats(n, 1), b = random_floats(n, 2);
      Floats sum;
      for (size_t i = 0; i < a.size(); ++i) sum.push_back(a[i] + b[i]);
      const DeviceFloats on_a(*backend, a, offset), on_b(*backend, b), y(*backend, poisoned(n)), z(*backend, b);
      add(on_a.data(), on_b.data(), y.data(), n, stream);
      accumulate(on_a.data(), z.data(), n, stream);
      EXPECT_EQ(y.values(), sum) << n;
      EXPECT_EQ(z.values(), sum) << n;
    }
}

TEST_F(ElementwiseOnCuda, GeluAgreesWithTheReferenceAlsoInPlace) {
  const int64_t n = 10'007;
  const Floats x = random_floats(n, 1, 6.0), dy = random_floats(n, 2);
  Doubles y64(x.size()), dx64(x.size());
  reference::gelu_forward(to_double(x).data(), y64.data(), n);
  reference::gelu_backward(to_double(dy).data(), to_double(x).data(), dx64.data(), n);
  const DeviceFloats on_x(*backend, x), y(*backend, poisoned(n)), dx(*backend, dy), in_place(*backend, x);
  gelu_forward(on_x.data(), y.data(), n, stream);
  gelu_forward(in_place.data(), in_place.data(), n, stream);
  gelu_backward(dx.data(), on_x.data(), dx.data(), n, stream);
  expect_close(y.values(), y64, 5e-7, "y");
  expect_close(dx.values(), dx64, 5e-7, "dx");
  EXPECT_EQ(y.values(), in_place.values());
}

TEST_F(ElementwiseOnCuda, GeluShowsNaN) {
  const DeviceFloats x(*backend, poisoned(1)), y(*backend, Floats(1, 0.0f));
  gelu_forward(x.data(), y.data(), 1, stream);
  EXPECT_TRUE(std::isnan(y.values()[0]));
}

TEST_F(ElementwiseOnCuda, LayerNormAgreesWithTheReferenceAlsoInPlace) {
  for (const int64_t m : {1, 5, 100})
    for (const int64_t h : {1, 7, 33, 512, 1030}) {
      SCOPED_TRACE(testing::Message() << m << " x " << h);
      const Floats x = random_floats(m * h, 1, 3.0), gain_bias = random_floats(2 * h, 2), dy = random_floats(m * h, 3);
      const Floats before = random_floats(2 * h, 4);
      Doubles y64(x.size()), stats64(static_cast<size_t>(2 * m)), dx64(x.size()), dgain_bias64 = to_double(before);
      reference::layer_norm_forward(to_double(x).data(), to_double(gain_bias).data(), y64.data(), stats64.data(), m, h);
      reference::layer_norm_backward(to_double(dy).data(), to_double(x).data(), stats64.data(),
                                     to_double(gain_bias).data(), dx64.data(), dgain_bias64.data(), m, h);
      const DeviceFloats on_x(*backend, x), on_gain(*backend, gain_bias), y(*backend, poisoned(m * h));
      const DeviceFloats stats(*backend, poisoned(2 * m)), dx(*backend, dy), dgain_bias(*backend, before);
      layer_norm_forward(on_x.data(), on_gain.data(), y.data(), stats.data(), m, h, stream);
      layer_norm_backward(dx.data(), on_x.data(), stats.data(), on_gain.data(), dx.data(), dgain_bias.data(), m, h,
                          stream);
      expect_close(y.values(), y64, 1e-6, "y");
      expect_close(stats.values(), stats64, 1e-6, "stats");
      expect_close(dgain_bias.values(), dgain_bias64, 2e-6, "dgain_bias");
      if (h > 1) expect_close(dx.values(), dx64, 2e-6, "dx");  // a row of one is constant: dx is 0 up to rounding
    }
}

TEST_F(ElementwiseOnCuda, EmbeddingAgreesWithTheReferenceAndRepeatsBitForBit) {
  const int64_t m = 700, h = 300, v = 50;  // more tokens than threads of a block, most of them repeated
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < m; ++i) tokens.push_back(static_cast<int32_t>(i * i % 47));
  const Floats table = random_floats(v * h, 1), dx = random_floats(m * h, 2), before = random_floats(v * h, 3);
  Doubles x64(dx.size()), dtable64 = to_double(before);
  reference::embedding_forward(tokens.data(), to_double(table).data(), x64.data(), m, h);
  reference::embedding_backward(tokens.data(), to_double(dx).data(), dtable64.data(), m, h);
  const DeviceInts on_tokens(*backend, tokens);
  const DeviceFloats on_table(*backend, table), on_dx(*backend, dx), x(*backend, poisoned(m * h));
  const DeviceFloats dtable(*backend, before), again(*backend, before);
  embedding_forward(on_tokens.data(), on_table.data(), x.data(), m, h, stream);
  embedding_backward(on_tokens.data(), on_dx.data(), dtable.data(), m, h, stream);
  embedding_backward(on_tokens.data(), on_dx.data(), again.data(), m, h, stream);
  EXPECT_EQ(to_double(x.values()), x64);
  expect_close(dtable.values(), dtable64, 1e-6, "dtable");
  EXPECT_EQ(dtable.values(), again.values());
}

}  // namespace
}  // namespace moesaic::executor::cuda
