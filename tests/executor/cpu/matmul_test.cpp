#include "executor/cpu/matmul.h"

#include <gtest/gtest.h>

#include <thread>

#include "executor/cpu/experts.h"
#include "executor/cpu/linear.h"
#include "executor/reference/linear.h"
#include "executor/reference/matmul.h"
#include "tests/executor/cpu/test_arrays.h"

namespace moesaic::executor::cpu {
namespace {

struct Sizes {
  std::int64_t m, n, k;
};

Floats as_seen(Floats x, Precision precision) {
  if (precision == Precision::bf16) {
    for (float& value : x) value = through_bf16(value);
  }
  return x;
}

reference::Transpose in_reference(Transpose t) {
  return t == Transpose::yes ? reference::Transpose::yes : reference::Transpose::no;
}

TEST(BFloat16, RoundsToNearestEvenAndKeepsNaN) {
  // 8 significant bits: above 1 the step is 2^-7. 1 + 2^-8 is half way and goes to the even 1; 1 + 3 2^-8 to 1 + 2^-6.
  EXPECT_EQ(through_bf16(1.0f + 0x1p-8f), 1.0f);
  EXPECT_EQ(through_bf16(1.0f + 3 * 0x1p-8f), 1.0f + 0x1p-6f);
  EXPECT_EQ(through_bf16(-1.0f - 0x1.1p-8f), -1.0f - 0x1p-7f);
  EXPECT_TRUE(std::isnan(through_bf16(std::numeric_limits<float>::quiet_NaN())));
  const Floats x = random_floats(1003, 1);
  std::vector<BFloat16> y(x.size());
  round_to_bf16(x.data(), y.data(), 1003);
  std::vector<BFloat16> one(1);
  for (std::size_t i = 0; i < x.size(); ++i) {
    round_to_bf16(&x[i], one.data(), 1);
    ASSERT_EQ(y[i], one[0]);
  }
}

// Sums of k products of values below 1: f32 rounding grows like sqrt(k) 2^-24, far below 1e-5 of the largest element.
TEST(Matmul, AgreesWithTheReferenceInEveryLayout) {
  const Sizes cases[] = {{1, 1, 1},  {1, 64, 1},   {3, 5, 7},     {16, 16, 16},   {37, 65, 33},
                         {50, 1, 9}, {130, 17, 2}, {600, 24, 40}, {24, 40, 1100}, {33, 129, 515}};
  for (const auto& [m, n, k] : cases) {
    for (const auto precision : {Precision::f32, Precision::bf16}) {
      const Floats a = random_floats(m * k, 1), b = random_floats(k * n, 2), start = random_floats(m * n, 3);
      const Doubles a64 = to_double(as_seen(a, precision)), b64 = to_double(as_seen(b, precision));
      for (int layout = 0; layout < 8; ++layout) {
        SCOPED_TRACE(::testing::Message() << m << " " << n << " " << k << " layout " << layout);
        const auto ta = layout & 1 ? Transpose::yes : Transpose::no, tb = layout & 2 ? Transpose::yes : Transpose::no;
        const bool accumulate = layout & 4;
        Floats c = accumulate ? start : poisoned(m * n);
        Doubles expected = to_double(c);
        matmul(a.data(), b.data(), c.data(), m, n, k, ta, tb, accumulate, precision);
        reference::matmul(a64.data(), b64.data(), expected.data(), m, n, k, in_reference(ta), in_reference(tb),
                          accumulate);
        expect_close(c, expected, 1e-5, "c");
      }
    }
  }
}

TEST(Matmul, LeadingDimensionsSelectPartsOfLargerArrays) {
  // 5 x 6 times 6 x 7 inside arrays of 11, 13 and 17 columns; what lies beside C stays.
  const std::int64_t m = 5, n = 7, k = 6;
  for (const auto precision : {Precision::f32, Precision::bf16}) {
    const Floats a = random_floats(m * 11, 1), b = random_floats(k * 13, 2);
    Floats c(static_cast<std::size_t>(m * 17), 42.0f);
    matmul(a.data(), b.data(), c.data(), {m, n, k, Transpose::no, Transpose::no, false, 11, 13, 17}, precision);
    const Floats a_seen = as_seen(a, precision), b_seen = as_seen(b, precision);
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < 17; ++j) {
        double sum = j < n ? 0.0 : 42.0;
        for (std::int64_t l = 0; j < n && l < k; ++l) {
          sum += static_cast<double>(a_seen[static_cast<std::size_t>(i * 11 + l)]) *
                 static_cast<double>(b_seen[static_cast<std::size_t>(l * 13 + j)]);
        }
        EXPECT_NEAR(c[static_cast<std::size_t>(i * 17 + j)], sum, 1e-5);
      }
    }
  }
}

TEST(Matmul, EmptyDimensions) {
  Floats c = {1.0f, 2.0f};
  matmul(nullptr, nullptr, c.data(), 0, 2, 3, Transpose::no, Transpose::no, false, Precision::f32);
  matmul(nullptr, nullptr, c.data(), 1, 2, 0, Transpose::yes, Transpose::no, true, Precision::bf16);
  EXPECT_EQ(c, (Floats{1.0f, 2.0f}));
  matmul(nullptr, nullptr, c.data(), 1, 2, 0, Transpose::no, Transpose::no, false, Precision::f32);
  EXPECT_EQ(c, (Floats{0.0f, 0.0f}));
}

// Chunking, capacity and placement change how many rows meet in one call; none of them may change a result.
TEST(Linear, ForwardAndDgradRowsHaveTheSameBitsForEveryRowCount) {
  for (const auto& [most, n, k] : {Sizes{70, 96, 64}, Sizes{70, 33, 129}, Sizes{70, 8, 515}, Sizes{70, 200, 1030}}) {
    const Floats x = random_floats(most * k, 1), w = random_floats(n * k, 2), v = random_floats(k * n, 3);
    for (const auto precision : {Precision::f32, Precision::bf16}) {
      Floats y = poisoned(most * n), dx = poisoned(most * n);
      linear_forward(x.data(), w.data(), y.data(), most, n, k, precision);
      linear_dgrad(x.data(), v.data(), dx.data(), most, k, n, precision);
      for (std::int64_t m = 1; m < most; ++m) {
        const std::int64_t first = most - m;
        Floats part = poisoned(m * n);
        linear_forward(x.data() + first * k, w.data(), part.data(), m, n, k, precision);
        ASSERT_TRUE(same_bits(part.data(), y.data() + first * n, m * n)) << "forward " << m << " " << n << " " << k;
        linear_dgrad(x.data() + first * k, v.data(), part.data(), m, k, n, precision);
        ASSERT_TRUE(same_bits(part.data(), dx.data() + first * n, m * n)) << "dgrad " << m << " " << n << " " << k;
      }
    }
  }
}

TEST(Linear, ForwardRowsHaveTheSameBitsAcrossTheLargestBlock) {
  const std::int64_t n = 48, k = 40, most = 1100;
  const Floats x = random_floats(most * k, 1), w = random_floats(n * k, 2);
  Floats y = poisoned(most * n), part = poisoned(most * n);
  linear_forward(x.data(), w.data(), y.data(), most, n, k, Precision::f32);
  for (const std::int64_t m : {1, 511, 512, 513, 528, 1024, 1039}) {
    linear_forward(x.data(), w.data(), part.data(), m, n, k, Precision::f32);
    EXPECT_TRUE(same_bits(part.data(), y.data(), m * n)) << m;
  }
}

TEST(Linear, AWeightRoundedBeforehandGivesTheSameBits) {
  const std::int64_t m = 37, n = 65, k = 129;
  const Floats x = random_floats(m * k, 1), w = random_floats(n * k, 2), dy = random_floats(m * n, 3);
  std::vector<BFloat16> rounded(w.size());
  round_to_bf16(w.data(), rounded.data(), n * k);
  Floats y = poisoned(m * n), y_rounded = y, dx = random_floats(m * k, 4), dx_rounded = dx;
  linear_forward(x.data(), w.data(), y.data(), m, n, k, Precision::bf16);
  linear_forward(x.data(), {nullptr, rounded.data()}, y_rounded.data(), m, n, k, Precision::bf16);
  linear_dgrad(dy.data(), w.data(), dx.data(), m, n, k, Precision::bf16, true);
  linear_dgrad(dy.data(), {nullptr, rounded.data()}, dx_rounded.data(), m, n, k, Precision::bf16, true);
  EXPECT_EQ(y, y_rounded);
  EXPECT_EQ(dx, dx_rounded);
}

TEST(Linear, WgradAgreesWithTheReferenceAndRepeatsItsBits) {
  for (const std::int64_t m : {1, 5, 16, 37, 511, 513, 1100}) {
    const std::int64_t n = 48, k = 33;
    const Floats x = random_floats(m * k, 1), dy = random_floats(m * n, 2), start = random_floats(n * k, 3);
    for (const auto precision : {Precision::f32, Precision::bf16}) {
      Floats dw = start, again = start;
      linear_wgrad(dy.data(), x.data(), dw.data(), m, n, k, precision);
      linear_wgrad(dy.data(), x.data(), again.data(), m, n, k, precision);
      Doubles expected = to_double(start);
      reference::linear_wgrad(to_double(as_seen(dy, precision)).data(), to_double(as_seen(x, precision)).data(),
                              expected.data(), m, n, k);
      expect_close(dw, expected, 1e-5, "dw");
      EXPECT_EQ(dw, again);
    }
  }
}

TEST(Matmul, ThreadsComputeSideBySideWithTheSameBits) {
  const std::int64_t m = 100, n = 72, k = 88;
  const Floats x = random_floats(m * k, 1), w = random_floats(n * k, 2);
  std::vector<Floats> y(4, poisoned(m * n));
  std::vector<std::thread> ranks;
  for (Floats& result : y) {
    ranks.emplace_back([&] {
      for (std::int64_t rows = 1; rows <= m; ++rows) {
        linear_forward(x.data(), w.data(), result.data(), rows, n, k, Precision::bf16);
      }
    });
  }
  for (std::thread& rank : ranks) rank.join();
  for (const Floats& result : y) EXPECT_EQ(result, y[0]);
  EXPECT_FALSE(std::isnan(y[0].back()));
}

TEST(Matmul, PrimitivesStopBeingCreatedHoweverRowCountsVary) {
#ifndef MOESAIC_HAVE_DNNL
  GTEST_SKIP() << "built without oneDNN: no primitive is made";
#endif
  const std::int64_t n = 24, k = 56;  // a shape of no other test
  const Floats x = random_floats(3000 * k, 1), w = random_floats(n * k, 2);
  Floats y(static_cast<std::size_t>(3000 * n)), dw(static_cast<std::size_t>(n * k));
  const std::int64_t before = matmul_primitives_created();
  for (std::int64_t m = 1; m <= 600; ++m) linear_forward(x.data(), w.data(), y.data(), m, n, k, Precision::f32);
  EXPECT_EQ(matmul_primitives_created() - before, 64) << "blocks of 8, 16, ..., 512 rows; tails are filled up";
  const std::int64_t middle = matmul_primitives_created();
  for (std::int64_t m = 1; m <= 3000; m += 7) {
    linear_forward(x.data(), w.data(), y.data(), m, n, k, Precision::f32);
  }
  EXPECT_EQ(matmul_primitives_created(), middle);
  for (std::int64_t m = 1; m <= 1000; ++m) linear_wgrad(y.data(), x.data(), dw.data(), m, n, k, Precision::f32);
  EXPECT_EQ(matmul_primitives_created() - middle, 16 + 62) << "reductions over 1..16 and 24, 32, ..., 512 rows";
}

// 4 products of 64 heights each and 2 reductions of 78, all of them in the first call of each operator.
TEST(Matmul, ExpertsWaitForPrimitivesOnce) {
#ifndef MOESAIC_HAVE_DNNL
  GTEST_SKIP() << "built without oneDNN: no primitive is made";
#endif
  const ExpertsShape shape{1, 40, 72};
  const Floats x = random_floats(700 * shape.h, 1), w = random_floats(shape.h * shape.f, 2);
  Floats u(static_cast<std::size_t>(700 * shape.f)), a(u), du(u), y(x), dx(x), dup(w), ddown(w);
  const Weight weights[] = {w.data()};
  float *dups[] = {dup.data()}, *ddowns[] = {ddown.data()};
  const auto train = [&](std::int64_t rows) {
    experts_forward(x.data(), &rows, weights, weights, u.data(), a.data(), y.data(), shape, Precision::f32);
    experts_dgrad(x.data(), u.data(), &rows, weights, weights, du.data(), dx.data(), shape, Precision::f32);
    experts_wgrad(x.data(), du.data(), x.data(), a.data(), &rows, dups, ddowns, shape, Precision::f32);
    return matmul_primitives_created();
  };
  const std::int64_t before = matmul_primitives_created(), after = train(3);
  EXPECT_EQ(after - before, 4 * 64 + 2 * 78);
  for (std::int64_t rows : {1, 8, 17, 511, 700}) EXPECT_EQ(train(rows), after) << rows;
}

}  // namespace
}  // namespace moesaic::executor::cpu
