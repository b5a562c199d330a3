#include <gtest/gtest.h>

#include <numeric>

#include "executor/cpu/adamw.h"
#include "executor/cpu/add.h"
#include "executor/cpu/cross_entropy.h"
#include "executor/cpu/embedding.h"
#include "executor/cpu/flatten.h"
#include "executor/cpu/gelu.h"
#include "executor/cpu/lanes.h"
#include "executor/cpu/layer_norm.h"
#include "executor/cpu/swiglu.h"
#include "executor/reference/adamw.h"
#include "executor/reference/cross_entropy.h"
#include "executor/reference/embedding.h"
#include "executor/reference/gelu.h"
#include "executor/reference/layer_norm.h"
#include "executor/reference/swiglu.h"
#include "tests/executor/cpu/test_arrays.h"

namespace moesaic::executor::cpu {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Lanes, ExpErfAndSqrtAreAccurateAndKeepNaN) {
  for (double x = -87.0; x < 88.0; x += 0.003) {
    const auto at = static_cast<double>(static_cast<float>(x));
    ASSERT_NEAR(fast_exp(static_cast<float>(x)) / std::exp(at), 1.0, 2e-7) << x;
  }
  for (double x = -6.0; x < 6.0; x += 0.001) {
    ASSERT_NEAR(fast_erf(static_cast<float>(x)), std::erf(static_cast<double>(static_cast<float>(x))), 5e-7) << x;
  }
  for (double x = 1e-30; x < 1e30; x *= 1.0001) {
    const auto at = static_cast<double>(static_cast<float>(x));
    ASSERT_NEAR(fast_sqrt(static_cast<float>(x)) / std::sqrt(at), 1.0, 3e-7) << x;
  }
  EXPECT_EQ(fast_sqrt(0.0f), 0.0f);
  EXPECT_TRUE(std::isnan(fast_exp(kNan)) && std::isnan(fast_erf(kNan)) && std::isnan(fast_sqrt(kNan)));
  EXPECT_LT(fast_exp(-1000.0f), 2e-38f);
}

TEST(Lanes, SumsEveryLengthOnce) {
  // 0 + 1 + ... + n - 1 = n (n - 1) / 2, exact in f32 for these n
  for (std::int64_t n = 0; n < 100; ++n) {
    EXPECT_EQ(sum_in_lanes(n, [](std::int64_t i) { return static_cast<float>(i); }),
              static_cast<float>(n * (n - 1) / 2));
  }
}

// Rows of 2 f: the gate's columns, then those of up. Rounded results are those of the plain ones.
TEST(SwiGlu, AgreesWithTheReferenceInEveryForm) {
  for (const std::int64_t f : {1, 7, 16, 45}) {
    SCOPED_TRACE(f);
    const std::int64_t m = 3;
    const Floats x = random_floats(m * 2 * f, 1, 5.0), dy = random_floats(m * f, 2);
    Floats y = poisoned(m * f), dx = poisoned(m * 2 * f), y2 = y, dx2 = dx;
    std::vector<BFloat16> y16(y.size()), dx16(dx.size()), alone(y.size()), dalone(dx.size());
    Doubles y64(y.size()), dx64(dx.size());
    swiglu_forward(x.data(), y.data(), m, f);
    swiglu_forward(x.data(), y2.data(), y16.data(), m, f);
    swiglu_forward(x.data(), alone.data(), m, f);
    swiglu_backward(dy.data(), x.data(), dx.data(), m, f);
    swiglu_backward(dy.data(), x.data(), dx2.data(), dx16.data(), m, f);
    swiglu_backward(dy.data(), x.data(), dalone.data(), m, f);
    reference::swiglu_forward(to_double(x).data(), y64.data(), m, f);
    reference::swiglu_backward(to_double(dy).data(), to_double(x).data(), dx64.data(), m, f);
    expect_close(y, y64, 1e-6, "y");
    expect_close(dx, dx64, 1e-6, "dx");
    EXPECT_EQ(y, y2);
    EXPECT_EQ(dx, dx2);
    for (std::size_t i = 0; i < y.size(); ++i)
      EXPECT_TRUE(y16[i].bits == to_bf16(y[i]).bits && alone[i].bits == y16[i].bits) << i;
    for (std::size_t i = 0; i < dx.size(); ++i)
      EXPECT_TRUE(dx16[i].bits == to_bf16(dx[i]).bits && dalone[i].bits == dx16[i].bits) << i;
  }
}

TEST(LayerNorm, AgreesWithTheReference) {
  for (const std::int64_t m : {1, 5}) {
    for (const std::int64_t h : {1, 7, 16, 33, 512}) {
      SCOPED_TRACE(h);
      const Floats x = random_floats(m * h, 1, 3.0), gain_bias = random_floats(2 * h, 2), dy = random_floats(m * h, 3);
      Floats y = poisoned(m * h), stats = poisoned(2 * m), dx = poisoned(m * h), dgain_bias = random_floats(2 * h, 4);
      Doubles y64(y.size()), stats64(stats.size()), dx64(dx.size()), dgain_bias64 = to_double(dgain_bias);
      layer_norm_forward(x.data(), gain_bias.data(), y.data(), stats.data(), m, h);
      layer_norm_backward(dy.data(), x.data(), stats.data(), gain_bias.data(), dx.data(), dgain_bias.data(), m, h);
      reference::layer_norm_forward(to_double(x).data(), to_double(gain_bias).data(), y64.data(), stats64.data(), m, h);
      reference::layer_norm_backward(to_double(dy).data(), to_double(x).data(), stats64.data(),
                                     to_double(gain_bias).data(), dx64.data(), dgain_bias64.data(), m, h);
      expect_close(y, y64, 1e-6, "y");
      expect_close(stats, stats64, 1e-6, "stats");
      expect_close(dgain_bias, dgain_bias64, 2e-6, "dgain_bias");
      if (h > 1) expect_close(dx, dx64, 2e-6, "dx");  // a row of one is constant: dx is 0 up to rounding
    }
  }
}

TEST(LayerNorm, BackwardMayOverwriteItsInput) {
  const std::int64_t m = 4, h = 37;
  const Floats x = random_floats(m * h, 1), gain_bias = random_floats(2 * h, 2), dy = random_floats(m * h, 3);
  Floats y = x, stats(8), dx = poisoned(m * h), in_place = dy, first(74), second(74);
  layer_norm_forward(x.data(), gain_bias.data(), y.data(), stats.data(), m, h);
  layer_norm_backward(dy.data(), x.data(), stats.data(), gain_bias.data(), dx.data(), first.data(), m, h);
  layer_norm_backward(in_place.data(), x.data(), stats.data(), gain_bias.data(), in_place.data(), second.data(), m, h);
  EXPECT_EQ(dx, in_place);
  EXPECT_EQ(first, second);
}

TEST(Gelu, AgreesWithTheReferenceAlsoInPlace) {
  const std::int64_t n = 10007;
  const Floats x = random_floats(n, 1, 6.0), dy = random_floats(n, 2);
  Floats y = poisoned(n), dx = poisoned(n), in_place = x;
  Doubles y64(x.size()), dx64(x.size());
  gelu_forward(x.data(), y.data(), n);
  gelu_backward(dy.data(), x.data(), dx.data(), n);
  gelu_forward(in_place.data(), in_place.data(), n);
  reference::gelu_forward(to_double(x).data(), y64.data(), n);
  reference::gelu_backward(to_double(dy).data(), to_double(x).data(), dx64.data(), n);
  expect_close(y, y64, 5e-7, "y");
  expect_close(dx, dx64, 5e-7, "dx");
  EXPECT_EQ(y, in_place);
  gelu_forward(&kNan, y.data(), 1);
  EXPECT_TRUE(std::isnan(y[0])) << "a fault must show in the loss";
}

TEST(Add, AddsAndAccumulates) {
  for (const std::int64_t n : {0, 1, 15, 16, 100}) {
    const Floats a = random_floats(n, 1), b = random_floats(n, 2);
    Floats y = poisoned(n), z = b;
    add(a.data(), b.data(), y.data(), n);
    accumulate(a.data(), z.data(), n);
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(y[i], a[i] + b[i]);
    EXPECT_EQ(y, z);
  }
}

TEST(Embedding, AgreesWithTheReference) {
  const std::vector<std::int32_t> tokens = {4, 0, 4, 2, 4};
  const Floats table = random_floats(5 * 19, 1), dx = random_floats(5 * 19, 2);
  Floats x = poisoned(5 * 19), dtable = random_floats(5 * 19, 3);
  Doubles x64(x.size()), dtable64 = to_double(dtable);
  embedding_forward(tokens.data(), table.data(), x.data(), 5, 19);
  embedding_backward(tokens.data(), dx.data(), dtable.data(), 5, 19);
  reference::embedding_forward(tokens.data(), to_double(table).data(), x64.data(), 5, 19);
  reference::embedding_backward(tokens.data(), to_double(dx).data(), dtable64.data(), 5, 19);
  EXPECT_EQ(to_double(x), x64);
  expect_close(dtable, dtable64, 1e-6, "dtable");
}

TEST(Embedding, JoinsAndSplitsColumnsAsTheReferenceDoes) {
  for (const std::int64_t parts : {1, 2, 3, 6}) {
    const std::int64_t m = 5, h = 6;
    const Floats pieces = random_floats(m * h, 1);
    Floats x = poisoned(m * h), back = poisoned(m * h);
    Doubles x64(x.size()), back64(x.size());
    join_columns(pieces.data(), x.data(), m, h, parts);
    split_columns(x.data(), back.data(), m, h, parts);
    reference::join_columns(to_double(pieces).data(), x64.data(), m, h, parts);
    reference::split_columns(x64.data(), back64.data(), m, h, parts);
    EXPECT_EQ(to_double(x), x64);
    EXPECT_EQ(to_double(back), back64);
    EXPECT_EQ(back, pieces);
  }
}

// 2 rows of 4 columns with 2 ranks: rank 0 holds columns 0 and 1 of both rows, then rank 1 columns 2 and 3.
TEST(Embedding, JoinsColumnsInTheOrderOfRanks) {
  const Floats pieces = {0, 1, 10, 11, 2, 3, 12, 13};
  Floats x = poisoned(8);
  join_columns(pieces.data(), x.data(), 2, 4, 2);
  EXPECT_EQ(x, (Floats{0, 1, 2, 3, 10, 11, 12, 13}));
}

TEST(CrossEntropy, AgreesWithTheReferenceAlsoInPlace) {
  for (const std::int64_t v : {1, 2, 17, 256, 1001}) {
    SCOPED_TRACE(v);
    const std::int64_t m = 6;
    Floats logits = random_floats(m * v, 1, 20.0), dlogits = poisoned(m * v);
    std::vector<std::int32_t> targets;
    for (std::int64_t t = 0; t < m; ++t) targets.push_back(static_cast<std::int32_t>(t * 37 % v));
    Doubles dlogits64(logits.size());
    const double loss = cross_entropy(logits.data(), targets.data(), dlogits.data(), m, v, 0.125f);
    const double loss64 =
        reference::cross_entropy(to_double(logits).data(), targets.data(), dlogits64.data(), m, v, 0.125);
    EXPECT_NEAR(loss, loss64, 1e-6 * (1.0 + loss64));
    for (std::size_t i = 0; i < dlogits.size(); ++i) EXPECT_NEAR(dlogits[i], dlogits64[i], 1e-7);
    EXPECT_EQ(cross_entropy(logits.data(), targets.data(), logits.data(), m, v, 0.125f), loss);
    EXPECT_EQ(logits, dlogits);
  }
}

TEST(CrossEntropy, NaNInALogitReachesTheLoss) {
  const Floats logits = {0.0f, kNan, 1.0f};
  const std::int32_t target = 0;
  Floats dlogits(3);
  EXPECT_TRUE(std::isnan(cross_entropy(logits.data(), &target, dlogits.data(), 1, 3, 1.0f)));
}

TEST(AdamW, FollowsTheReferenceOverSteps) {
  for (const bool decay : {false, true}) {
    const std::int64_t n = 101;
    Floats w = random_floats(n, 1), m(101), v(101);
    Doubles w64 = to_double(w), m64(101), v64(101);
    for (std::int64_t step = 1; step <= 20; ++step) {
      const Floats g = random_floats(n, 10 + static_cast<std::uint64_t>(step), 0.01);
      adamw_update(w.data(), g.data(), m.data(), v.data(), n, AdamW{}, step, decay);
      reference::adamw_update(w64.data(), to_double(g).data(), m64.data(), v64.data(), n, {}, step, decay);
    }
    expect_close(w, w64, 1e-6, "w");
    expect_close(m, m64, 1e-6, "m");
    expect_close(v, v64, 1e-6, "v");
  }
}

// Whole numbers below 8: sums and squares are exact in f32. A loss scale of 2 halves the copy, after its squares have
// been summed.
TEST(Flatten, CopiesScalesAndSums) {
  for (const int64_t n : {0, 1, 17, 1027}) {
    Floats g, half, statistics = {1, 2};
    for (int64_t i = 0; i < n; ++i) g.push_back(static_cast<float>(i % 11) - 3), half.push_back(g.back() / 2);
    float sum = 1;
    for (const float x : g) sum += std::abs(x);
    const float squares = std::inner_product(g.begin(), g.end(), g.begin(), 2.0f);
    Floats widened(g.size(), -1.0f), copy(g.size(), -1.0f);
    flatten_gradient(g.data(), widened.data(), copy.data(), statistics.data(), n, 2.0f);
    EXPECT_EQ(widened, g);
    EXPECT_EQ(copy, half);
    EXPECT_EQ(statistics, (Floats{sum, squares}));
  }
}

// What clipping multiplies with, it multiplies gradients with before all else.
TEST(AdamW, ScalesGradients) {
  Floats g = {0.5f, -3, 1e-9f, 0.75f}, w = {1, 2, 3, 4}, m(4, 0.25f), v(4, 0.5f);
  Floats scaled = g, w2 = w, m2 = m, v2 = v;
  for (float& x : scaled) x *= 0.3f;
  AdamW settings;
  adamw_update(w2.data(), scaled.data(), m2.data(), v2.data(), 4, settings, 5, true);
  settings.gradient_scale = 0.3f;
  adamw_update(w.data(), g.data(), m.data(), v.data(), 4, settings, 5, true);
  EXPECT_EQ(w, w2);
  EXPECT_EQ(m, m2);
  EXPECT_EQ(v, v2);
}

}  // namespace
}  // namespace moesaic::executor::cpu
