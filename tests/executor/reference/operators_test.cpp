#include <gtest/gtest.h>

#include "executor/reference/adamw.h"
#include "executor/reference/cross_entropy.h"
#include "executor/reference/embedding.h"
#include "executor/reference/gelu.h"
#include "executor/reference/layer_norm.h"
#include "executor/reference/linear.h"
#include "executor/reference/matmul.h"
#include "executor/reference/rms_norm.h"
#include "executor/reference/swiglu.h"
#include "tests/executor/reference/gradient_check.h"

namespace moesaic::executor::reference {
namespace {

TEST(ReferenceMatmul, MultipliesSmallMatricesInEveryLayout) {
  // [1 2 3; 4 5 6] [1 0; 0 1; 1 1] = [1+3 2+3; 4+6 5+6] = [4 5; 10 11]
  const double a[] = {1, 2, 3, 4, 5, 6}, at[] = {1, 4, 2, 5, 3, 6}, b[] = {1, 0, 0, 1, 1, 1}, bt[] = {1, 0, 1, 0, 1, 1};
  const std::vector<double> expected = {4, 5, 10, 11}, twice = {8, 10, 20, 22};
  for (const auto ta : {Transpose::no, Transpose::yes}) {
    for (const auto tb : {Transpose::no, Transpose::yes}) {
      std::vector<double> c(4, -1.0);
      const double *left = ta == Transpose::yes ? at : a, *right = tb == Transpose::yes ? bt : b;
      matmul(left, right, c.data(), 2, 2, 3, ta, tb, false);
      EXPECT_EQ(c, expected);
      matmul(left, right, c.data(), 2, 2, 3, ta, tb, true);
      EXPECT_EQ(c, twice);
    }
  }
}

TEST(ReferenceLinear, GradientsMatchFiniteDifferences) {
  const std::int64_t m = 3, n = 4, k = 5;
  auto x = random_values(m * k, 1), w = random_values(n * k, 2);
  const auto dy = random_values(m * n, 3);
  std::vector<double> y(12), dx(15), dw(20, 0.0);
  const auto loss = [&] {
    linear_forward(x.data(), w.data(), y.data(), m, n, k);
    return dot(y, dy);
  };
  linear_dgrad(dy.data(), w.data(), dx.data(), m, n, k);
  linear_wgrad(dy.data(), x.data(), dw.data(), m, n, k);
  expect_gradient(x, dx, loss, "x");
  expect_gradient(w, dw, loss, "w");
}

TEST(ReferenceLayerNorm, NormalisesAKnownRow) {
  // Row (1, 3): mean 2, variance 1, so the normal values are -+ 1 / sqrt(1 + 1e-5); gain (2, 2), bias (1, 1).
  const double x[] = {1, 3}, gain_bias[] = {2, 2, 1, 1};
  double y[2], stats[2];
  layer_norm_forward(x, gain_bias, y, stats, 1, 2);
  const double unit = 1.0 / std::sqrt(1.00001);
  EXPECT_DOUBLE_EQ(y[0], 1.0 - 2.0 * unit);
  EXPECT_DOUBLE_EQ(y[1], 1.0 + 2.0 * unit);
  EXPECT_DOUBLE_EQ(stats[0], 2.0);
  EXPECT_DOUBLE_EQ(stats[1], unit);
}

TEST(ReferenceLayerNorm, GradientsMatchFiniteDifferences) {
  const std::int64_t m = 3, h = 7;
  auto x = random_values(m * h, 1), gain_bias = random_values(2 * h, 2);
  const auto dy = random_values(m * h, 3);
  std::vector<double> y(21), stats(6), dx(21), dgain_bias(14, 0.0);
  const auto loss = [&] {
    layer_norm_forward(x.data(), gain_bias.data(), y.data(), stats.data(), m, h);
    return dot(y, dy);
  };
  loss();
  layer_norm_backward(dy.data(), x.data(), stats.data(), gain_bias.data(), dx.data(), dgain_bias.data(), m, h);
  expect_gradient(x, dx, loss, "x");
  expect_gradient(gain_bias, dgain_bias, loss, "gain_bias");
}

TEST(ReferenceRmsNorm, NormalisesAKnownRow) {
  // Row (3, 4): mean square 12.5; with epsilon 0 the row becomes (3, 4) / sqrt(12.5), times gain (2, 1).
  const double x[] = {3, 4}, gain[] = {2, 1};
  double y[2], stats[2];
  rms_norm_forward(x, gain, y, stats, 1, 2, 0.0);
  EXPECT_DOUBLE_EQ(y[0], 6.0 / std::sqrt(12.5));
  EXPECT_DOUBLE_EQ(y[1], 4.0 / std::sqrt(12.5));
  EXPECT_EQ(stats[0], 0.0);
  EXPECT_DOUBLE_EQ(stats[1], 1.0 / std::sqrt(12.5));
}

TEST(ReferenceRmsNorm, GradientsMatchFiniteDifferences) {
  const std::int64_t m = 3, h = 7;
  auto x = random_values(m * h, 1), gain = random_values(h, 2);
  const auto dy = random_values(m * h, 3);
  std::vector<double> y(21), stats(6), dx(21), dgain(7, 0.0);
  const auto loss = [&] {
    rms_norm_forward(x.data(), gain.data(), y.data(), stats.data(), m, h, 1e-5);
    return dot(y, dy);
  };
  loss();
  rms_norm_backward(dy.data(), x.data(), stats.data(), gain.data(), dx.data(), dgain.data(), m, h);
  expect_gradient(x, dx, loss, "x");
  expect_gradient(gain, dgain, loss, "gain");
}

// 4 heads and 2 kv heads of 3: rows of 24 with 6 head norms of 3 columns, or one of 12 and one of 6.
TEST(ReferenceHeadNorm, GradientsMatchFiniteDifferences) {
  for (const bool whole : {false, true}) {
    const HeadNormShape s{2, 4, 2, 3, whole};
    auto qkv = random_values(48, 1), gain = random_values(whole ? 18 : 6, 2);
    const auto dy = random_values(48, 3);
    std::vector<double> y(48), statistics(12), dqkv(48), dgain(gain.size(), 0.0);
    const auto loss = [&] {
      head_norm_forward(qkv.data(), gain.data(), y.data(), statistics.data(), s, 1e-5);
      return dot(y, dy);
    };
    loss();
    head_norm_backward(dy.data(), qkv.data(), statistics.data(), gain.data(), dqkv.data(), dgain.data(), s);
    expect_gradient(qkv, dqkv, loss, "qkv");
    expect_gradient(gain, dgain, loss, "gain");
  }
}

TEST(ReferenceSwiGlu, HasKnownValuesAndGradient) {
  // silu(1) = 1 / (1 + e^-1) = 0.7310585786300049; times up 2 or -3.
  std::vector<double> x = {1.0, 2.0, 1.0, -3.0}, y(2), dx(4);
  swiglu_forward(x.data(), y.data(), 2, 1);
  EXPECT_NEAR(y[0], 2 * 0.7310585786300049, 1e-15);
  EXPECT_NEAR(y[1], -3 * 0.7310585786300049, 1e-15);
  const std::vector<double> dy = {0.3, -0.7};
  swiglu_backward(dy.data(), x.data(), dx.data(), 2, 1);
  expect_gradient(
      x, dx,
      [&] {
        swiglu_forward(x.data(), y.data(), 2, 1);
        return dot(y, dy);
      },
      "x");
}

TEST(ReferenceGelu, HasKnownValuesAndGradient) {
  // gelu(1) = (1 + erf(0.7071...)) / 2 = 0.8413447460685429, the normal distribution at 1; gelu(-1) = gelu(1) - 1.
  std::vector<double> x = {1.0, -1.0, 0.0, 2.5, -3.0}, y(5), dx(5);
  gelu_forward(x.data(), y.data(), 5);
  EXPECT_NEAR(y[0], 0.8413447460685429, 1e-15);
  EXPECT_NEAR(y[1], -0.1586552539314571, 1e-15);
  EXPECT_EQ(y[2], 0.0);
  const std::vector<double> dy = {0.3, -0.7, 1.1, 0.9, -0.2};
  gelu_backward(dy.data(), x.data(), dx.data(), 5);
  expect_gradient(
      x, dx,
      [&] {
        gelu_forward(x.data(), y.data(), 5);
        return dot(y, dy);
      },
      "x");
}

TEST(ReferenceEmbedding, RepeatedTokensAddUp) {
  const std::int32_t tokens[] = {2, 0, 2};
  const double table[] = {1, 2, 3, 4, 5, 6}, dx[] = {1, 10, 2, 20, 3, 30};
  std::vector<double> x(6), dtable(6, 0.5);
  embedding_forward(tokens, table, x.data(), 3, 2);
  EXPECT_EQ(x, (std::vector<double>{5, 6, 1, 2, 5, 6}));
  embedding_backward(tokens, dx, dtable.data(), 3, 2);
  EXPECT_EQ(dtable, (std::vector<double>{2.5, 20.5, 0.5, 0.5, 4.5, 40.5}));
}

TEST(ReferenceCrossEntropy, UniformLogitsCostLogV) {
  // Four equal logits: loss log 4 per row, gradient scale * (1/4 - onehot).
  const double logits[] = {3, 3, 3, 3};
  const std::int32_t target[] = {1};
  std::vector<double> dlogits(4);
  EXPECT_NEAR(cross_entropy(logits, target, dlogits.data(), 1, 4, 2.0), std::log(4.0), 1e-15);
  for (std::size_t j = 0; j < 4; ++j) EXPECT_NEAR(dlogits[j], j == 1 ? -1.5 : 0.5, 1e-15);
}

TEST(ReferenceCrossEntropy, GradientMatchesFiniteDifferences) {
  auto logits = random_values(3 * 6, 1, 3.0);
  const std::int32_t targets[] = {0, 5, 2};
  std::vector<double> dlogits(18), other(18);
  cross_entropy(logits.data(), targets, dlogits.data(), 3, 6, 0.25);
  expect_gradient(
      logits, dlogits, [&] { return 0.25 * cross_entropy(logits.data(), targets, other.data(), 3, 6, 1.0); }, "logits");
}

TEST(ReferenceAdamW, FirstStepMovesByTheLearningRate) {
  // Step 1: m_hat = g, v_hat = g^2, so w moves by lr * g / (|g| + eps) = 0.01 sign(g), and by lr * decay * w = 0.01 *
  // 0.1 * 2.
  double w[] = {2.0, 2.0}, m[] = {0, 0}, v[] = {0, 0};
  const double g[] = {0.5, -0.25};
  adamw_update(w, g, m, v, 2, {.lr = 0.01, .b1 = 0.9, .b2 = 0.95, .eps = 0.0, .decay = 0.1}, 1, true);
  EXPECT_NEAR(w[0], 2.0 - 0.01 - 0.002, 1e-15);
  EXPECT_NEAR(w[1], 2.0 + 0.01 - 0.002, 1e-15);
  EXPECT_NEAR(m[0], 0.05, 1e-15);
  EXPECT_NEAR(v[1], 0.05 * 0.0625, 1e-15);
}

}  // namespace
}  // namespace moesaic::executor::reference
