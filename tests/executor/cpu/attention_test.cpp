#include "executor/cpu/attention.h"

#include <gtest/gtest.h>

#include "executor/reference/attention.h"
#include "tests/executor/cpu/test_arrays.h"

namespace moesaic::executor::cpu {
namespace {

// Forward and backward against the reference; returns nothing, fails with the shape in the trace.
void check(const AttentionShape& s, Precision precision, double tolerance) {
  SCOPED_TRACE(::testing::Message() << s.batch << " " << s.seq << " " << s.heads << " " << s.kv_heads << " "
                                    << s.head_dim);
  const std::int64_t tokens = s.batch * s.seq;
  const Floats qkv = random_floats(tokens * s.qkv_columns(), 1, 2.0), dout = random_floats(tokens * s.out_columns(), 2);
  Floats out = poisoned(tokens * s.out_columns()), saved = poisoned(attention_rows(s)),
         dqkv = poisoned(tokens * s.qkv_columns());
  attention_forward(qkv.data(), out.data(), saved.data(), s, precision);
  attention_backward(dout.data(), qkv.data(), out.data(), saved.data(), dqkv.data(), s, precision);
  Doubles out64(out.size()), dqkv64(dqkv.size());
  reference::attention_forward(to_double(qkv).data(), out64.data(), s);
  reference::attention_backward(to_double(dout).data(), to_double(qkv).data(), dqkv64.data(), s);
  expect_close(out, out64, tolerance, "out");
  expect_close(dqkv, dqkv64, tolerance, "dqkv");
}

const AttentionShape kShapes[] = {{1, 1, 1, 1, 2},  {2, 7, 2, 2, 4},   {1, 64, 2, 1, 8},
                                  {1, 65, 4, 2, 6}, {2, 33, 3, 1, 16}, {1, 150, 2, 2, 32}};

TEST(Attention, AgreesWithTheReference) {
  for (const auto& shape : kShapes) check(shape, Precision::f32, 5e-6);
}

// Operands with 8 significant bits: 2^-8 per operand, a few percent of the largest element where errors meet.
TEST(Attention, AgreesWithTheReferenceInBf16) {
  for (const auto& shape : kShapes) check(shape, Precision::bf16, 4e-2);
}

TEST(Attention, SequencesOfABatchDoNotTouchAndRepeatTheirBits) {
  const AttentionShape two{2, 70, 2, 1, 8}, one{1, 70, 2, 1, 8};
  const Floats qkv = random_floats(2 * 70 * two.qkv_columns(), 1), dout = random_floats(2 * 70 * two.out_columns(), 2);
  Floats out(dout.size()), saved(280), dqkv(qkv.size()), out_one(dout.size()), saved_one(280), dqkv_one(qkv.size());
  attention_forward(qkv.data(), out.data(), saved.data(), two, Precision::f32);
  attention_backward(dout.data(), qkv.data(), out.data(), saved.data(), dqkv.data(), two, Precision::f32);
  for (std::int64_t item = 0; item < 2; ++item) {
    const std::int64_t q = item * 70 * two.qkv_columns(), o = item * 70 * two.out_columns(), s = item * 140;
    attention_forward(qkv.data() + q, out_one.data() + o, saved_one.data() + s, one, Precision::f32);
    attention_backward(dout.data() + o, qkv.data() + q, out_one.data() + o, saved_one.data() + s, dqkv_one.data() + q,
                       one, Precision::f32);
  }
  EXPECT_EQ(out, out_one);
  EXPECT_EQ(saved, saved_one);
  EXPECT_EQ(dqkv, dqkv_one);
}

TEST(Attention, NoTokenSeesTheFuture) {
  const AttentionShape shape{1, 80, 1, 1, 4};
  Floats qkv = random_floats(80 * 12, 1), out(320), saved(80), changed(320);
  attention_forward(qkv.data(), out.data(), saved.data(), shape, Precision::f32);
  for (std::size_t i = 50 * 12; i < qkv.size(); ++i) qkv[i] += 1.0f;
  attention_forward(qkv.data(), changed.data(), saved.data(), shape, Precision::f32);
  EXPECT_TRUE(same_bits(out.data(), changed.data(), 50 * 4));
  EXPECT_FALSE(same_bits(out.data() + 200, changed.data() + 200, 4));
}

}  // namespace
}  // namespace moesaic::executor::cpu
