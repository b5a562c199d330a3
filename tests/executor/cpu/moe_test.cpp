#include <gtest/gtest.h>

#include <numeric>

#include "executor/cpu/experts.h"
#include "executor/cpu/gelu.h"
#include "executor/cpu/once_per_node.h"
#include "executor/cpu/permute.h"
#include "executor/cpu/router.h"
#include "executor/cpu/row_placement.h"
#include "executor/cpu/swiglu.h"
#include "executor/reference/experts.h"
#include "executor/reference/once_per_node.h"
#include "executor/reference/permute.h"
#include "executor/reference/router.h"
#include "executor/reference/row_placement.h"
#include "tests/executor/cpu/test_arrays.h"

namespace moesaic::executor::cpu {
namespace {

using Ints = std::vector<std::int32_t>;
using Counts = std::vector<std::int64_t>;

void check_router(const RouterShape& s) {
  SCOPED_TRACE(::testing::Message() << s.m << " " << s.num_experts << " " << s.top_k << " " << s.capacity << " "
                                    << s.normalised);
  const Floats z = random_floats(s.m * s.h, 1), w = random_floats(s.num_experts * s.h, 2),
               dweights = random_floats(s.m * s.top_k, 3), auxiliary = random_floats(s.num_experts, 4);
  Floats p = poisoned(s.m * s.num_experts), weights = poisoned(s.m * s.top_k), dz = random_floats(s.m * s.h, 5),
         dw = random_floats(s.num_experts * s.h, 6);
  Ints chosen(weights.size()), chosen64(weights.size());
  Counts counts(static_cast<std::size_t>(s.num_experts), -1), counts64 = counts;
  Doubles p64(p.size()), weights64(weights.size()), dz64 = to_double(dz), dw64 = to_double(dw);
  const reference::RouterShape r{s.m, s.h, s.num_experts, s.top_k, s.capacity, s.normalised};
  router_forward(z.data(), w.data(), p.data(), chosen.data(), weights.data(), counts.data(), s);
  router_backward(dweights.data(), p.data(), chosen.data(), weights.data(), auxiliary.data(), z.data(), w.data(),
                  dz.data(), dw.data(), s);
  reference::router_forward(to_double(z).data(), to_double(w).data(), p64.data(), chosen64.data(), weights64.data(),
                            counts64.data(), r);
  reference::router_backward(to_double(dweights).data(), p64.data(), chosen64.data(), to_double(auxiliary).data(),
                             to_double(z).data(), to_double(w).data(), dz64.data(), dw64.data(), r);
  EXPECT_EQ(chosen, chosen64);
  EXPECT_EQ(counts, counts64);
  expect_close(p, p64, 2e-6, "p");
  expect_close(weights, weights64, 2e-6, "weights");
  expect_close(dz, dz64, 5e-6, "dz");
  expect_close(dw, dw64, 5e-6, "dw");
}

TEST(Router, AgreesWithTheReference) {
  for (const bool normalised : {false, true}) {
    check_router({1, 3, 1, 1, kNoCapacity, normalised});
    check_router({40, 17, 5, 1, kNoCapacity, normalised});
    check_router({40, 17, 5, 5, kNoCapacity, normalised});
    check_router({40, 17, 5, 2, 6, normalised});
  }
  check_router({130, 33, 64, 2});
  check_router({61, 20, 37, 8});
  check_router({40, 17, 5, 1, 0});
}

TEST(Router, EqualProbabilitiesGoToTheLowerIndex) {
  const Floats z(3, 1.0f), w(6, 0.5f);  // every logit 0.5
  Floats p(18), weights(6);
  Ints chosen(6);
  Counts counts(6);
  router_forward(z.data(), w.data(), p.data(), chosen.data(), weights.data(), counts.data(), {3, 1, 6, 2});
  EXPECT_EQ(chosen, (Ints{0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(counts, (Counts{3, 3, 0, 0, 0, 0}));
  EXPECT_EQ(weights, Floats(6, 0.5f));
}

TEST(Router, NaNGivesValidIndices) {
  const Floats z(2, std::numeric_limits<float>::quiet_NaN()), w(4, 0.5f);
  Floats p(8), weights(4);
  Ints chosen(4, 99);
  Counts counts(4);
  router_forward(z.data(), w.data(), p.data(), chosen.data(), weights.data(), counts.data(), {2, 1, 4, 2});
  EXPECT_EQ(chosen, (Ints{0, 1, 0, 1})) << "a fault must not become a wild row index";
  EXPECT_TRUE(std::isnan(weights[0]));
}

// Choices of every kind: m tokens, distinct experts per token, every fifth choice dropped when `drops`.
Ints choices(std::int64_t m, std::int64_t k, std::int64_t experts, bool drops) {
  Ints chosen;
  for (std::int64_t i = 0; i < m * k; ++i) {
    const bool dropped = drops && i % 5 == 2;
    chosen.push_back(dropped ? -1 : static_cast<std::int32_t>((i / k * 7 + i % k * 3) % experts));
  }
  return chosen;
}

void check_permute(const PermuteShape& s, const Ints& chosen, const Ints& slot_of_expert) {
  const auto slots = static_cast<std::int64_t>(slot_of_expert.size());
  Ints rows_at(chosen.size(), 7), rows_at64(chosen.size(), 7);
  Counts per_slot(slot_of_expert.size(), -1), per_slot64 = per_slot;
  const auto rows =
      build_permutation(chosen.data(), slot_of_expert.data(), rows_at.data(), per_slot.data(), s.m, s.k, slots);
  const auto rows64 = reference::build_permutation(chosen.data(), slot_of_expert.data(), rows_at64.data(),
                                                   per_slot64.data(), s.m, s.k, slots);
  ASSERT_EQ(rows, rows64);
  ASSERT_EQ(rows_at, rows_at64);
  ASSERT_EQ(per_slot, per_slot64);
  const reference::PermuteShape r{s.m, s.k, s.h};
  const Floats z = random_floats(s.m * s.h, 1), returned = random_floats(rows * s.h, 2),
               weights = random_floats(s.m * s.k, 3), dout = random_floats(s.m * s.h, 4);
  Floats send = poisoned(rows * s.h), dz = z, out = poisoned(s.m * s.h), bare = out, dreturned = poisoned(rows * s.h),
         dweights = poisoned(s.m * s.k);
  Doubles send64(send.size()), dz64 = to_double(z), out64(out.size()), bare64(out.size()), dreturned64(send.size()),
                               dweights64(weights.size());
  permute_forward(z.data(), rows_at.data(), send.data(), s);
  permute_backward(returned.data(), rows_at.data(), dz.data(), s);
  unpermute_forward(returned.data(), rows_at.data(), weights.data(), z.data(), out.data(), s);
  unpermute_forward(returned.data(), rows_at.data(), weights.data(), nullptr, bare.data(), s);
  unpermute_backward(dout.data(), returned.data(), rows_at.data(), weights.data(), dreturned.data(), dweights.data(),
                     s);
  const Doubles z64 = to_double(z), returned64 = to_double(returned), weights64 = to_double(weights);
  reference::permute_forward(z64.data(), rows_at.data(), send64.data(), r);
  reference::permute_backward(returned64.data(), rows_at.data(), dz64.data(), r);
  reference::unpermute_forward(returned64.data(), rows_at.data(), weights64.data(), z64.data(), out64.data(), r);
  reference::unpermute_forward(returned64.data(), rows_at.data(), weights64.data(), nullptr, bare64.data(), r);
  reference::unpermute_backward(to_double(dout).data(), returned64.data(), rows_at.data(), weights64.data(),
                                dreturned64.data(), dweights64.data(), r);
  expect_close(send, send64, 0.0, "send");
  expect_close(dz, dz64, 1e-6, "dz");
  expect_close(out, out64, 1e-6, "out");
  expect_close(bare, bare64, 1e-6, "bare");
  expect_close(dreturned, dreturned64, 1e-6, "dreturned");
  expect_close(dweights, dweights64, 1e-6, "dweights");
}

TEST(Permute, AgreesWithTheReference) {
  check_permute({20, 2, 19}, choices(20, 2, 8, false), {3, 1, 0, 7, 6, 2, 5, 4});
  check_permute({20, 2, 19}, choices(20, 2, 8, true), {3, 1, 0, 7, 6, 2, 5, 4});
  check_permute({33, 1, 64}, Ints(33, 2), {1, 0, 2});      // every row to one expert
  check_permute({4, 1, 5}, Ints(4, -1), {0, 1});           // every row dropped
  check_permute({9, 3, 8}, choices(9, 3, 20, false), [] {  // slots beyond the rows stay empty
    Ints order(20);
    std::iota(order.rbegin(), order.rend(), 0);
    return order;
  }());
}

// 5 experts in 2 slices each, in a scattered order with replicas and an empty slot: expert 0's slice 0 in three slots.
TEST(RowPlacement, AgreesWithTheReference) {
  const std::vector<int> slots{3, 0, 9, 4, -1, 0, 8, 1, 2, 5, 7, 0, 6, 9};
  for (const bool drops : {false, true})
    for (const std::int64_t padded_rows : {0, 40}) {
      const Ints chosen = choices(37, 2, 5, drops);
      Counts counts(5, 0);
      for (const std::int32_t expert : chosen)
        if (expert >= 0) ++counts[static_cast<std::size_t>(expert)];
      Ints rows(chosen.size() * 2), expected(rows.size());
      place_rows(chosen.data(), counts, 37, 2, {slots, 2, padded_rows}, rows.data());
      reference::place_rows(chosen.data(), 37, 2, {slots, 2, padded_rows}, expected.data());
      EXPECT_EQ(rows, expected) << drops << " " << padded_rows;
    }
}

// 37 tokens' rows of a choice of 2 of 5 experts in 2 slices on 3 nodes, the second without any.
TEST(OncePerNode, AgreesWithTheReference) {
  for (const bool drops : {false, true}) {
    const Ints chosen = choices(37, 2, 5, drops);
    Counts counts(5, 0);
    for (const std::int32_t expert : chosen)
      if (expert >= 0) ++counts[static_cast<std::size_t>(expert)];
    const std::vector<int> slots{3, 0, 9, 4, 1, 6, /**/ -1, -1, -1, -1, -1, -1, /**/ 8, 0, 2, 5, 7, 9};
    Ints rows(chosen.size() * 2), places(rows.size()), expected(rows.size()), nodes(3), expected_nodes(3);
    const std::vector<std::int64_t> of_slots = place_rows(chosen.data(), counts, 37, 2, {slots, 2, 0}, rows.data());
    const std::int64_t first = std::accumulate(of_slots.begin(), of_slots.begin() + 6, std::int64_t{0});
    const std::vector<std::int64_t> starts{0, first, first};
    place_once(rows.data(), 37, 4, starts, places.data(), nodes.data());
    reference::place_once(rows.data(), 37, 4, starts, expected.data(), expected_nodes.data());
    EXPECT_EQ(places, expected);
    EXPECT_EQ(nodes, expected_nodes);
    EXPECT_EQ(nodes[1], 0);
    EXPECT_LT(nodes[0], first);  // several rows of a token are one
  }
}

// Rows 0 to 3 are the first node's, 4 to 6 the second's. Token 0 has two rows on the first, token 1 one on each and one
// dropped, token 2 three on the second.
TEST(OncePerNode, PlacesNodesInOrderAndTokensWithin) {
  const Ints rows{0, 2, -1, 3, 4, -1, 6, 5, 7};
  const std::vector<std::int64_t> starts{0, 4};
  Ints places(9), counts(2);
  place_once(rows.data(), 3, 3, starts, places.data(), counts.data());
  EXPECT_EQ(places, (Ints{0, 0, -1, 1, 2, -1, 3, 3, 3}));
  EXPECT_EQ(counts, (Ints{2, 2}));
  EXPECT_EQ(first_mentions(places.data(), 3, 3), (Ints{0, -1, -1, 1, 2, -1, 3, -1, -1}));
}

struct ExpertsCase {
  ExpertsShape s;
  Counts rows_per_slot;
  std::int64_t rows = std::accumulate(rows_per_slot.begin(), rows_per_slot.end(), std::int64_t{0});
  Floats x = random_floats(rows * s.h, 1), dy = random_floats(rows * s.h, 2),
         up = random_floats(s.slots * s.up_width() * s.h, 3), down = random_floats(s.slots * s.h * s.f, 4);
  Floats u = poisoned(rows * s.up_width()), a = poisoned(rows * s.f), du = u, y = poisoned(rows * s.h), dx = y,
         dup = up, ddown = down;

  template <typename T, typename Array>
  std::vector<T> matrices(Array& all) const {
    std::vector<T> pointers;
    const auto elements = static_cast<std::int64_t>(all.size()) / s.slots;
    for (std::int64_t slot = 0; slot < s.slots; ++slot) pointers.emplace_back(all.data() + slot * elements);
    return pointers;
  }
  void run(Precision precision) {
    const auto ups = matrices<Weight>(up), downs = matrices<Weight>(down);
    experts_forward(x.data(), rows_per_slot.data(), ups.data(), downs.data(), u.data(), a.data(), y.data(), s,
                    precision);
    experts_dgrad(dy.data(), u.data(), rows_per_slot.data(), ups.data(), downs.data(), du.data(), dx.data(), s,
                  precision);
    experts_wgrad(dy.data(), du.data(), x.data(), a.data(), rows_per_slot.data(), matrices<float*>(dup).data(),
                  matrices<float*>(ddown).data(), s, precision);
  }
};

void check_experts(const ExpertsShape& s, const Counts& rows_per_slot, Precision precision, double tolerance) {
  ExpertsCase c{s, rows_per_slot};
  c.run(precision);
  const reference::ExpertsShape r{s.slots, s.h, s.f, s.gated};
  Doubles up = to_double(c.up), down = to_double(c.down), dup = up, ddown = down;
  const Doubles x = to_double(c.x), dy = to_double(c.dy);
  Doubles u(c.u.size()), a(c.a.size()), du = u, y(c.y.size()), dx = y;
  const auto ups = c.matrices<const double*>(up), downs = c.matrices<const double*>(down);
  reference::experts_forward(x.data(), rows_per_slot.data(), ups.data(), downs.data(), u.data(), a.data(), y.data(), r);
  reference::experts_dgrad(dy.data(), u.data(), rows_per_slot.data(), ups.data(), downs.data(), du.data(), dx.data(),
                           r);
  reference::experts_wgrad(dy.data(), du.data(), x.data(), a.data(), rows_per_slot.data(),
                           c.matrices<double*>(dup).data(), c.matrices<double*>(ddown).data(), r);
  expect_close(c.u, u, tolerance, "u");
  expect_close(c.a, a, tolerance, "a");
  expect_close(c.y, y, tolerance, "y");
  expect_close(c.du, du, tolerance, "du");
  expect_close(c.dx, dx, tolerance, "dx");
  expect_close(c.dup, dup, tolerance, "dup");
  expect_close(c.ddown, ddown, tolerance, "ddown");
}

TEST(Experts, AgreeWithTheReference) {
  for (const auto& [precision, tolerance] : {std::pair{Precision::f32, 5e-6}, std::pair{Precision::bf16, 2e-2}}) {
    check_experts({3, 32, 64}, {16, 16, 16}, precision, tolerance);
    check_experts({4, 19, 45}, {0, 37, 0, 5}, precision, tolerance);  // empty experts
    check_experts({3, 24, 40}, {0, 600, 0}, precision, tolerance);    // all rows to one
    check_experts({2, 8, 8}, {0, 0}, precision, tolerance);           // nothing arrived
    check_experts({5, 7, 3}, {1, 2, 3, 0, 1}, precision, tolerance);
    check_experts({3, 32, 64, true}, {16, 16, 16}, precision, tolerance);
    check_experts({4, 19, 45, true}, {0, 37, 0, 5}, precision, tolerance);
    check_experts({2, 8, 8, true}, {0, 0}, precision, tolerance);
  }
}

// 21 rows of one expert: a block of 16 and a tail of 5. The operands that the activation leaves rounded are those that
// a product rounds itself.
TEST(Experts, Bf16HasTheBitsOfSeparateOperators) {
  const std::int64_t rows = 21, h = 24, f = 40;
  for (const bool gated : {false, true}) {
    ExpertsCase c{{1, h, f, gated}, {rows}};
    c.run(Precision::bf16);
    const std::int64_t width = c.s.up_width();
    const Weight up(c.up.data()), down(c.down.data());
    Floats u = poisoned(rows * width), a = poisoned(rows * f), da = a, du = u, y = poisoned(rows * h), dx = y;
    linear_forward(c.x.data(), up, u.data(), rows, width, h, Precision::bf16);
    gated ? swiglu_forward(u.data(), a.data(), rows, f) : gelu_forward(u.data(), a.data(), rows * f);
    linear_forward(a.data(), down, y.data(), rows, h, f, Precision::bf16);
    linear_dgrad(c.dy.data(), down, da.data(), rows, h, f, Precision::bf16);
    gated ? swiglu_backward(da.data(), u.data(), du.data(), rows, f)
          : gelu_backward(da.data(), u.data(), du.data(), rows * f);
    linear_dgrad(du.data(), up, dx.data(), rows, width, h, Precision::bf16);
    EXPECT_EQ(c.u, u);
    EXPECT_EQ(c.a, a);
    EXPECT_EQ(c.y, y);
    EXPECT_EQ(c.du, du);
    EXPECT_EQ(c.dx, dx);
  }
}

// 37 and 21 rows are filled up with rows of the slots behind them, whose results must come out as if they were alone.
TEST(Experts, SlotsSideBySideHaveTheBitsOfEachAlone) {
  const std::int64_t h = 48, f = 96;
  for (const auto& [precision, gated] : {std::pair{Precision::f32, false}, std::pair{Precision::bf16, false},
                                         std::pair{Precision::f32, true}, std::pair{Precision::bf16, true}}) {
    ExpertsCase all{{5, h, f, gated}, {37, 0, 21, 5, 18}};
    all.run(precision);
    const auto ups = all.matrices<Weight>(all.up), downs = all.matrices<Weight>(all.down);
    ExpertsCase one = all;
    one.u = one.du = poisoned(all.rows * all.s.up_width());
    one.a = poisoned(all.rows * f);
    one.y = one.dx = poisoned(all.rows * h);
    for (std::size_t slot = 0, row = 0; slot < 5; row += static_cast<std::size_t>(all.rows_per_slot[slot]), ++slot) {
      const std::int64_t* rows = &all.rows_per_slot[slot];
      const std::size_t at_h = row * h, at_f = row * f, at_u = row * static_cast<std::size_t>(all.s.up_width());
      experts_forward(all.x.data() + at_h, rows, &ups[slot], &downs[slot], one.u.data() + at_u, one.a.data() + at_f,
                      one.y.data() + at_h, {1, h, f, gated}, precision);
      experts_dgrad(all.dy.data() + at_h, all.u.data() + at_u, rows, &ups[slot], &downs[slot], one.du.data() + at_u,
                    one.dx.data() + at_h, {1, h, f, gated}, precision);
    }
    EXPECT_EQ(one.u, all.u);
    EXPECT_EQ(one.a, all.a);
    EXPECT_EQ(one.y, all.y);
    EXPECT_EQ(one.du, all.du);
    EXPECT_EQ(one.dx, all.dx);
  }
}

// Rows of one slot cut into two chunks: every row must come out with the bits of the whole call.
TEST(Experts, ChunkedForwardAndDgradHaveTheSameBits) {
  for (const auto precision : {Precision::f32, Precision::bf16}) {
    ExpertsCase whole{{1, 48, 96}, {70}};
    whole.run(precision);
    for (std::int64_t cut = 1; cut < 70; ++cut) {
      ExpertsCase chunked{{1, 48, 96}, {70}};
      const auto ups = chunked.matrices<Weight>(chunked.up), downs = chunked.matrices<Weight>(chunked.down);
      for (const auto& [first, rows] : {std::pair{std::int64_t{0}, cut}, std::pair{cut, 70 - cut}}) {
        experts_forward(chunked.x.data() + first * 48, &rows, ups.data(), downs.data(), chunked.u.data() + first * 96,
                        chunked.a.data() + first * 96, chunked.y.data() + first * 48, chunked.s, precision);
        experts_dgrad(chunked.dy.data() + first * 48, chunked.u.data() + first * 96, &rows, ups.data(), downs.data(),
                      chunked.du.data() + first * 96, chunked.dx.data() + first * 48, chunked.s, precision);
      }
      ASSERT_EQ(chunked.y, whole.y) << cut;
      ASSERT_EQ(chunked.u, whole.u) << cut;
      ASSERT_EQ(chunked.dx, whole.dx) << cut;
      ASSERT_EQ(chunked.du, whole.du) << cut;
    }
  }
}

}  // namespace
}  // namespace moesaic::executor::cpu
