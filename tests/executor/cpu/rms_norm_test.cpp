#include "executor/cpu/rms_norm.h"

#include <gtest/gtest.h>

#include "executor/cpu/head_norm.h"
#include "executor/reference/rms_norm.h"
#include "tests/executor/cpu/test_arrays.h"

namespace moesaic::executor::cpu {
namespace {

constexpr float kEpsilon = 1e-6f;

TEST(RmsNorm, AgreesWithTheReference) {
  for (const std::int64_t m : {1, 5})
    for (const std::int64_t h : {1, 7, 16, 33, 512}) {
      SCOPED_TRACE(h);
      const Floats x = random_floats(m * h, 1, 3.0), gain = random_floats(h, 2), dy = random_floats(m * h, 3);
      Floats y = poisoned(m * h), stats = poisoned(2 * m), dx = dy, dgain = random_floats(h, 4);
      Doubles y64(y.size()), stats64(stats.size()), dx64(dx.size()), dgain64 = to_double(dgain);
      rms_norm_forward(x.data(), gain.data(), y.data(), stats.data(), m, h, kEpsilon);
      rms_norm_backward(dx.data(), x.data(), stats.data(), gain.data(), dx.data(), dgain.data(), m, h);  // in place
      reference::rms_norm_forward(to_double(x).data(), to_double(gain).data(), y64.data(), stats64.data(), m, h,
                                  kEpsilon);
      reference::rms_norm_backward(to_double(dy).data(), to_double(x).data(), stats64.data(), to_double(gain).data(),
                                   dx64.data(), dgain64.data(), m, h);
      expect_close(y, y64, 1e-6, "y");
      expect_close(stats, stats64, 1e-6, "stats");
      expect_close(dgain, dgain64, 2e-6, "dgain");
      if (h > 1) expect_close(dx, dx64, 2e-6, "dx");  // a row of one is 1 or -1: dx is 0 up to rounding
    }
}

struct HeadNormCase {
  HeadNormShape s;
  std::int64_t gains = (s.whole ? s.heads + s.kv_heads : 2) * s.head_dim;
  Floats qkv = random_floats(s.m * s.columns(), 1, 3.0), gain = random_floats(gains, 2),
         dy = random_floats(s.m * s.columns(), 3);
  Floats y = poisoned(s.m * s.columns()), statistics = poisoned(s.m * s.statistics()), dqkv = y,
         dgain = random_floats(gains, 4);
};

void check_head_norm(const HeadNormShape& s) {
  HeadNormCase c{s};
  Doubles y64(c.y.size()), statistics64(c.statistics.size()), dqkv64(c.dqkv.size()), dgain64 = to_double(c.dgain);
  head_norm_forward(c.qkv.data(), c.gain.data(), c.y.data(), c.statistics.data(), s, kEpsilon);
  head_norm_backward(c.dy.data(), c.qkv.data(), c.statistics.data(), c.gain.data(), c.dqkv.data(), c.dgain.data(), s);
  const Doubles qkv = to_double(c.qkv), gain = to_double(c.gain);
  reference::head_norm_forward(qkv.data(), gain.data(), y64.data(), statistics64.data(), s, kEpsilon);
  reference::head_norm_backward(to_double(c.dy).data(), qkv.data(), statistics64.data(), gain.data(), dqkv64.data(),
                                dgain64.data(), s);
  expect_close(c.y, y64, 1e-6, "y");
  expect_close(c.statistics, statistics64, 1e-6, "statistics");
  expect_close(c.dqkv, dqkv64, 2e-6, "dqkv");
  expect_close(c.dgain, dgain64, 2e-6, "dgain");
}

TEST(HeadNorm, AgreesWithTheReference) {
  for (const bool whole : {false, true}) {
    check_head_norm({1, 1, 1, 2, whole});
    check_head_norm({7, 4, 2, 24, whole});
    check_head_norm({3, 6, 6, 33, whole});
    check_head_norm({0, 4, 2, 8, whole});
  }
}

/// Columns of rank r of 2, of whole rows with 4 heads and 2 kv heads of 6.
Floats part_of(const Floats& whole, std::int64_t m, int rank) {
  Floats part;
  for (std::int64_t row = 0; row < m; ++row)
    for (const auto& [first, heads] : {std::pair{0, 2}, std::pair{4, 1}, std::pair{6, 1}}) {
      const float* from = whole.data() + row * 48 + (first + rank * heads) * 6;
      part.insert(part.end(), from, from + heads * 6);
    }
  return part;
}

// 4 heads and 2 kv heads of 6 on 2 ranks, whose sums meet: what the first has is what it would have of all heads.
TEST(HeadNorm, OfSeveralRanksIsThatOfAllHeads) {
  HeadNormCase all{{5, 4, 2, 6, true}};
  head_norm_forward(all.qkv.data(), all.gain.data(), all.y.data(), all.statistics.data(), all.s, kEpsilon);
  head_norm_backward(all.dy.data(), all.qkv.data(), all.statistics.data(), all.gain.data(), all.dqkv.data(),
                     all.dgain.data(), all.s);
  const HeadNormShape half{5, 2, 1, 6, true};
  std::vector<HeadNormCase> ranks(2, HeadNormCase{half});
  Floats squares(2 * 5 * 2), products(squares);
  for (int rank = 0; rank < 2; ++rank) {
    HeadNormCase& c = ranks[static_cast<std::size_t>(rank)];
    c.qkv = part_of(all.qkv, 5, rank);
    c.dy = part_of(all.dy, 5, rank);
    // gains of queries 0..24, then of keys 24..36; of this rank 12 and 6
    c.gain.assign(all.gain.begin() + rank * 12, all.gain.begin() + rank * 12 + 12);
    c.gain.insert(c.gain.end(), all.gain.begin() + 24 + rank * 6, all.gain.begin() + 30 + rank * 6);
    head_sums(c.qkv.data(), nullptr, nullptr, squares.data() + rank * 10, half);
    head_sums(c.qkv.data(), c.dy.data(), c.gain.data(), products.data() + rank * 10, half);
  }
  for (int rank = 0; rank < 2; ++rank) {
    HeadNormCase& c = ranks[static_cast<std::size_t>(rank)];
    head_norm_forward(c.qkv.data(), c.gain.data(), c.y.data(), c.statistics.data(), half, kEpsilon,
                      {squares.data(), 2});
    head_norm_backward(c.dy.data(), c.qkv.data(), c.statistics.data(), c.gain.data(), c.dqkv.data(), c.dgain.data(),
                       half, {products.data(), 2});
    expect_close(c.y, to_double(part_of(all.y, 5, rank)), 1e-6, "y");
    expect_close(c.statistics, to_double(all.statistics), 1e-6, "statistics");
    expect_close(c.dqkv, to_double(part_of(all.dqkv, 5, rank)), 2e-6, "dqkv");
  }
}

}  // namespace
}  // namespace moesaic::executor::cpu
