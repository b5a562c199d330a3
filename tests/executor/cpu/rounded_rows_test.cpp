// Rows that stand in bf16 against the same rows in f32 that matrix products round: every bit is the same, because
// rounding commutes with moving rows.
#include <gtest/gtest.h>

#include <numeric>

#include "executor/cpu/experts.h"
#include "executor/cpu/permute.h"
#include "tests/executor/cpu/test_arrays.h"

namespace moesaic::executor::cpu {
namespace {

using Rounded = std::vector<BFloat16>;
using Counts = std::vector<std::int64_t>;

Rounded rounded(const Floats& x) {
  Rounded y(x.size());
  round_to_bf16(x.data(), y.data(), static_cast<std::int64_t>(x.size()));
  return y;
}

// 3 choices of 20 tokens, one in six dropped: rows 0 to 49 in another order.
TEST(RoundedRows, MoveLikeRowsThatAreRoundedLater) {
  const PermuteShape s{20, 3, 37};
  const std::int64_t rows = 50;
  std::vector<std::int32_t> row_of_choice;
  for (std::int32_t i = 0, row = 0; i < 60; ++i) row_of_choice.push_back(i % 6 == 4 ? -1 : row++ * 7 % 50);
  const Floats z = random_floats(s.m * s.h, 1), returned = random_floats(rows * s.h, 2),
               weights = random_floats(s.m * s.k, 3);
  Floats send(rows * s.h), d_returned = send, d_weights(s.m * s.k), d_weights16 = d_weights;
  Rounded send16(send.size()), d_returned16(send.size());
  permute_forward(z.data(), row_of_choice.data(), send.data(), s);
  permute_forward(z.data(), row_of_choice.data(), send16.data(), s);
  unpermute_backward(z.data(), returned.data(), row_of_choice.data(), weights.data(), d_returned.data(),
                     d_weights.data(), s);
  unpermute_backward(z.data(), returned.data(), row_of_choice.data(), weights.data(), d_returned16.data(),
                     d_weights16.data(), s);
  EXPECT_EQ(send16, rounded(send));
  EXPECT_EQ(d_returned16, rounded(d_returned));
  EXPECT_EQ(d_weights16, d_weights);
}

/// What the experts of `rows_per_slot` make of rows and gradients.
template <typename Element>
struct Results {
  std::vector<Element> a, du;
  Floats u, y, dx, dup, ddown;

  Results(const ExpertsShape& s, const Counts& rows_per_slot, const std::vector<Element>& x,
          const std::vector<Element>& dy, const Floats& up, const Floats& down)
      : a(x.size() / static_cast<std::size_t>(s.h) * static_cast<std::size_t>(s.f)),
        du(a.size()),
        u(a.size()),
        y(x.size()),
        dx(x.size()),
        dup(up),
        ddown(down) {
    std::vector<Weight> ups, downs;
    std::vector<float*> dups, ddowns;
    for (std::int64_t slot = 0; slot < s.slots; ++slot) {
      const std::int64_t at = slot * s.h * s.f;
      ups.emplace_back(up.data() + at), downs.emplace_back(down.data() + at);
      dups.push_back(dup.data() + at), ddowns.push_back(ddown.data() + at);
    }
    experts_forward(x.data(), rows_per_slot.data(), ups.data(), downs.data(), u.data(), a.data(), y.data(), s,
                    Precision::bf16);
    experts_dgrad(dy.data(), u.data(), rows_per_slot.data(), ups.data(), downs.data(), du.data(), dx.data(), s,
                  Precision::bf16);
    experts_wgrad(dy.data(), du.data(), x.data(), a.data(), rows_per_slot.data(), dups.data(), ddowns.data(), s,
                  Precision::bf16);
  }
};

void check_experts(const ExpertsShape& s, const Counts& rows_per_slot) {
  const std::int64_t rows = std::accumulate(rows_per_slot.begin(), rows_per_slot.end(), std::int64_t{0});
  const Floats x = random_floats(rows * s.h, 1), dy = random_floats(rows * s.h, 2),
               up = random_floats(s.slots * s.f * s.h, 3), down = random_floats(s.slots * s.h * s.f, 4);
  const Results<float> later(s, rows_per_slot, x, dy, up, down);
  const Results<BFloat16> before(s, rows_per_slot, rounded(x), rounded(dy), up, down);
  EXPECT_EQ(before.a, rounded(later.a));
  EXPECT_EQ(before.du, rounded(later.du));
  EXPECT_EQ(before.u, later.u);
  EXPECT_EQ(before.y, later.y);
  EXPECT_EQ(before.dx, later.dx);
  EXPECT_EQ(before.dup, later.dup);
  EXPECT_EQ(before.ddown, later.ddown);
  EXPECT_NE(before.dup, up);
}

// Blocks of 512 rows, whole and filled up; empty slots; fewer rows than a block of 8.
TEST(RoundedRows, GiveExpertsTheBitsOfRowsThatProductsRound) {
  check_experts({5, 48, 96}, {37, 0, 21, 5, 16});
  check_experts({3, 24, 40}, {512, 600, 3});
  check_experts({2, 7, 3}, {1, 2});
}

}  // namespace
}  // namespace moesaic::executor::cpu
