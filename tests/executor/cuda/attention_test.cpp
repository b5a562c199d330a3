#include "executor/cuda/attention.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "executor/cuda/rotary.h"
#include "executor/cuda/storage_format.h"
#include "executor/reference/attention.h"
#include "tests/executor/cuda/cuda_test.h"

namespace moesaic::executor::cuda {

namespace {

template <typename Element>
class AttentionTest : public CudaTestOf<Element> {};
TYPED_TEST_SUITE(AttentionTest, Elements);

struct Results {
  std::vector<uint32_t> bits() const {
    std::vector<uint32_t> all;
    for (const Floats* values : {&out, &saved, &dqkv})
      for (float value : *values) all.push_back(std::bit_cast<uint32_t>(value));
    return all;
  }
  Floats out, saved, dqkv;
};

template <typename Element>
Floats as_floats(const std::vector<Element>& x) {
  Floats result;
  for (Element value : x) result.push_back(to_float(value));
  return result;
}

template <typename Element>
Results run(CudaBackend& backend, const std::vector<Element>& qkv, const std::vector<Element>& dout,
            const AttentionShape& s) {
  Attention attention(backend.linear().scratch());
  const Stream stream = backend.stream(Lane::compute);
  const DeviceArray<Element> on_qkv(backend, qkv), on_dout(backend, dout);
  const DeviceArray<Element> out(backend, poisoned_elements<Element>(s.tokens() * s.out_columns()));
  const DeviceArray<Element> dqkv(backend, poisoned_elements<Element>(s.tokens() * s.qkv_columns()));
  const DeviceFloats saved(backend, poisoned(attention_rows(s)));
  attention.forward(on_qkv.data(), out.data(), saved.data(), s, stream);
  attention.backward(on_dout.data(), on_qkv.data(), out.data(), saved.data(), dqkv.data(), s, stream);
  return {as_floats(out.values()), saved.values(), as_floats(dqkv.values())};
}

// batch, seq, heads, kv_heads, head_dim: one element of everything, no multiples of anything, tiles of 64 filled and
// overfilled by one, more columns than a tile, groups of 1, 2 and 3; the last four are shapes that cuDNN takes in bf16.
const AttentionShape kShapes[] = {{1, 1, 1, 1, 2},   {2, 7, 2, 2, 4},    {1, 64, 2, 1, 6},  {1, 65, 4, 2, 10},
                                  {2, 33, 3, 1, 16}, {1, 130, 2, 2, 72}, {2, 80, 4, 2, 64}, {1, 129, 2, 1, 128}};

// In bf16 the rotated q and k, the result and, in the backward pass, dq and dk before they turn back are rounded to 8
// significant bits, and cuDNN rounds the probabilities. 7e-3 was seen on the plain kernels where cuDNN takes the shape,
// 1e-2 in the narrowest heads, whose errors average least; 3e-6 in f32.
template <typename Element>
constexpr double kAttentionTolerance = sizeof(Element) == sizeof(float) ? 1e-5 : 1.5e-2;

TYPED_TEST(AttentionTest, AgreesWithTheReference) {
  for (const AttentionShape& s : kShapes) {
    SCOPED_TRACE(::testing::Message() << s.batch << " " << s.seq << " " << s.heads << " " << s.kv_heads << " "
                                      << s.head_dim);
    const auto qkv = random_elements<TypeParam>(s.tokens() * s.qkv_columns(), 1, 2.0);
    const auto dout = random_elements<TypeParam>(s.tokens() * s.out_columns(), 2);
    const Results results = run(*this->backend, qkv, dout, s);
    Doubles out(dout.size()), dqkv(qkv.size());
    reference::attention_forward(to_double(qkv).data(), out.data(), s);
    reference::attention_backward(to_double(dout).data(), to_double(qkv).data(), dqkv.data(), s);
    expect_rows_close(to_double(results.out), out, s.head_dim, kAttentionTolerance<TypeParam>, "out");
    expect_rows_close(to_double(results.dqkv), dqkv, s.head_dim, kAttentionTolerance<TypeParam>, "dqkv");
    EXPECT_EQ(results.bits(), run(*this->backend, qkv, dout, s).bits());
  }
}

// Two tokens, one head of two elements, q = k = (1, 0) before they turn. Position 1 turns by the angle 1 * 10000^0 = 1:
//   q1 = k1 = (cos 1, sin 1), so q1 . k0 = cos 1, q1 . k1 = 1, scaled by 1 / sqrt 2.
//   log sums: row 0 sees itself alone, 1 / sqrt 2; row 1: log(exp(cos 1 / sqrt 2) + exp(1 / sqrt 2)).
//   out1 = p (3, 0) + (1 - p) (0, 5) with p = 1 / (1 + exp((1 - cos 1) / sqrt 2)).
TYPED_TEST(AttentionTest, OfTwoTokensByHand) {
  const AttentionShape s{1, 2, 1, 1, 2};
  const auto qkv = as_elements<TypeParam>(Floats{1, 0, 1, 0, 3, 0, 1, 0, 1, 0, 0, 5});
  const Results results = run(*this->backend, qkv, as_elements<TypeParam>(Floats(4, 0.0f)), s);
  const double root = std::sqrt(2.0), p = 1.0 / (1.0 + std::exp((1.0 - std::cos(1.0)) / root));
  expect_close(results.saved, {1 / root, std::log(std::exp(std::cos(1.0) / root) + std::exp(1 / root))},
               kAttentionTolerance<TypeParam>, "saved");
  expect_close(results.out, {3, 0, 3 * p, 5 * (1 - p)}, kAttentionTolerance<TypeParam>, "out");
  EXPECT_EQ(results.dqkv, Floats(12, 0.0f));
}

// The second sequence of a batch alone gives the bits that it gives beside the first.
TYPED_TEST(AttentionTest, SequencesOfABatchDoNotTouch) {
  const AttentionShape two{2, 70, 2, 1, 6}, one{1, 70, 2, 1, 6};
  const auto qkv = random_elements<TypeParam>(two.tokens() * two.qkv_columns(), 1);
  const auto dout = random_elements<TypeParam>(two.tokens() * two.out_columns(), 2);
  const Results both = run(*this->backend, qkv, dout, two);
  const auto second = [](const auto& all) {
    return std::decay_t<decltype(all)>(all.begin() + static_cast<int64_t>(all.size()) / 2, all.end());
  };
  EXPECT_EQ((Results{second(both.out), second(both.saved), second(both.dqkv)}.bits()),
            run(*this->backend, second(qkv), second(dout), one).bits());
}

TYPED_TEST(AttentionTest, NoTokenSeesTheFuture) {
  const AttentionShape s{1, 80, 1, 1, 4};
  const auto before = random_floats(80 * 12, 1);
  Floats after = before;
  for (size_t i = 50 * 12; i < after.size(); ++i) after[i] += 1.0f;
  const auto dout = as_elements<TypeParam>(Floats(320, 1.0f));
  const Floats a = run(*this->backend, as_elements<TypeParam>(before), dout, s).out;
  const Floats b = run(*this->backend, as_elements<TypeParam>(after), dout, s).out;
  EXPECT_TRUE(std::equal(a.begin(), a.begin() + 50 * 4, b.begin()));
  EXPECT_FALSE(std::equal(a.begin() + 50 * 4, a.begin() + 51 * 4, b.begin() + 50 * 4));
}

constexpr double kTheta = 10000;

// Pairs (i, i + 2) of a head of 4 at position 1 turn by 1 and by 10000^(-1/2) = 0.01; a row's third head is not
// touched.
TYPED_TEST(AttentionTest, RotaryTurnsPairsAndBack) {
  const auto x = as_elements<TypeParam>(Floats{1, 2, 3, 4, 1, 2, 3, 4, 9, 9, 9, 9, 1, 0, 0, 1, 2, 0, 0, 2, 9, 9, 9, 9});
  const DeviceArray<TypeParam> rows(*this->backend, x);
  RotaryAngles angles;
  const float* table = angles.get(2, 4, kTheta, this->stream);
  const auto turn = [&](Turn direction) {
    rotary(rows.data(), 12, rows.data(), 12, table, 2, 2, 2, 4, direction, this->stream);
    return as_floats(rows.values());
  };
  const double a = std::cos(1.0), b = std::sin(1.0), c = std::cos(0.01), d = std::sin(0.01);
  expect_close(turn(Turn::forward),
               {1, 2, 3, 4, 1, 2, 3, 4, 9, 9, 9, 9, a, -d, b, c, 2 * a, -2 * d, 2 * b, 2 * c, 9, 9, 9, 9},
               kAttentionTolerance<TypeParam>, "turned");
  expect_close(turn(Turn::back), to_double(as_floats(x)), kAttentionTolerance<TypeParam>, "turned back");
}

// A longer table is another one and leaves the shorter as it is; other head sizes and bases have their own. Position 99
// of heads of 4: angles 99 and 0.99.
TYPED_TEST(AttentionTest, TablesOfAnglesGrow) {
  RotaryAngles angles;
  const float* four = angles.get(3, 4, kTheta, this->stream);
  EXPECT_EQ(angles.get(2, 4, kTheta, this->stream), four);
  EXPECT_NE(angles.get(2, 8, kTheta, this->stream), four);
  EXPECT_NE(angles.get(2, 4, 1e6, this->stream), four);
  Floats table(400);
  this->backend->copy(Lane::compute, table.data(), angles.get(100, 4, kTheta, this->stream), 1600);
  this->backend->synchronize();
  EXPECT_EQ(Floats(table.begin(), table.begin() + 4), (Floats{1, 1, 0, 0}));
  expect_close({table.begin() + 396, table.end()}, {std::cos(99.0), std::cos(0.99), std::sin(99.0), std::sin(0.99)},
               1e-6, "angles");
  Floats old(4);
  this->backend->copy(Lane::compute, old.data(), four, 16);
  this->backend->synchronize();
  EXPECT_EQ(old, (Floats{1, 1, 0, 0}));
}

// Tasks of two sequences of three tokens give what the operators give.
TYPED_TEST(AttentionTest, TasksReachTheOperators) {
  const AttentionShape s{2, 3, 2, 1, 4};
  const auto qkv = random_elements<TypeParam>(s.tokens() * s.qkv_columns(), 1);
  const auto dout = random_elements<TypeParam>(s.tokens() * s.out_columns(), 2);
  const DeviceArray<TypeParam> on_qkv(*this->backend, qkv), on_dout(*this->backend, dout);
  const DeviceArray<TypeParam> out(*this->backend, dout), dqkv(*this->backend, qkv);
  const DeviceFloats saved(*this->backend, poisoned(attention_rows(s)));
  const auto operand = [](auto& array, DType dtype) { return Operand{-1, array.data(), 6, 0, dtype}; };
  constexpr DType kStored = kFormatOf<TypeParam>;
  const Operand a = operand(on_dout, kStored), b = operand(on_qkv, kStored), c = operand(out, kStored),
                d = operand(saved, DType::f32), e = operand(dqkv, kStored);
  Task task;
  task.fixed_rows = 6;
  task.shape.sequence = 3, task.shape.heads = 2, task.shape.kv_heads = 1, task.shape.head_dim = 4;
  const Plan plan;
  StepContext context;
  context.plan = &plan;
  const auto launch = [&](Op op, const std::vector<Operand>& reads, const std::vector<Operand>& writes) {
    task.op = op;
    this->backend->launch({task, reads, writes, {}, context});
  };
  launch(Op::attention, {b}, {c, d});
  launch(Op::attention_backward, {a, b, c, d}, {e});
  EXPECT_EQ((Results{as_floats(out.values()), saved.values(), as_floats(dqkv.values())}.bits()),
            run(*this->backend, qkv, dout, s).bits());
}

class CudnnAttentionPartsTest : public CudaTest, public ::testing::WithParamInterface<AttentionShape> {};

// A limit of one byte makes every kv head of every sequence a part of its own, and pairs of sequences of 33 tokens, of
// which a single one would begin off a boundary (attention_parts_test.cpp).
TEST_P(CudnnAttentionPartsTest, MakeTheWhole) {
  const AttentionShape s = GetParam();
  const auto turned = random_elements<BFloat16>(s.tokens() * s.turned_columns(), 1);
  const auto qkv = random_elements<BFloat16>(s.tokens() * s.qkv_columns(), 2);
  const auto dout = random_elements<BFloat16>(s.tokens() * s.out_columns(), 3);
  const DeviceArray<BFloat16> on_turned(*backend, turned), on_qkv(*backend, qkv), on_dout(*backend, dout);
  const DeviceArray<BFloat16> out(*backend, dout), dqkv(*backend, poisoned_elements<BFloat16>(qkv.size()));
  const DeviceFloats saved(*backend, poisoned(attention_rows(s))), row_sums(*backend, poisoned(attention_rows(s)));
  const auto gradient = [&](CudnnAttention& attention) {
    EXPECT_TRUE(attention.backward(on_dout.data(), on_turned.data(), on_qkv.data(), out.data(), saved.data(),
                                   dqkv.data(), row_sums.data(), s, stream));
    return as_floats(dqkv.values());
  };
  CudnnAttention whole(backend->linear().scratch()), parts(backend->linear().scratch(), 1);
  if (!whole.forward(on_turned.data(), on_qkv.data(), out.data(), saved.data(), s, stream))
    GTEST_SKIP() << "cuDNN is not built in, or this device has none of its engines";
  const Floats in_parts = gradient(parts);
  expect_rows_close(to_double(in_parts), to_double(gradient(whole)), s.head_dim, 1e-2, "dqkv");
}
INSTANTIATE_TEST_SUITE_P(, CudnnAttentionPartsTest,
                         ::testing::Values(AttentionShape{3, 96, 6, 3, 64}, AttentionShape{4, 33, 6, 6, 64}),
                         [](const auto& shape) { return "Of" + std::to_string(shape.param.seq) + "Tokens"; });

TYPED_TEST(AttentionTest, OfNoTokensDoesNothing) {
  Attention attention(this->backend->linear().scratch());
  TypeParam* none = nullptr;
  attention.forward(none, none, nullptr, {0, 8, 2, 1, 4}, this->stream);
  attention.backward(none, none, none, nullptr, none, {0, 8, 2, 1, 4}, this->stream);
  this->backend->synchronize();
}

}  // namespace
}  // namespace moesaic::executor::cuda
