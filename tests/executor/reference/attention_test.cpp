#include "executor/reference/attention.h"

#include <gtest/gtest.h>

#include "tests/executor/reference/gradient_check.h"

namespace moesaic::executor::reference {
namespace {

TEST(ReferenceAttention, TheFirstTokenSeesOnlyItself) {
  // Token 0 attends to itself alone, so out is v; the last two of the six columns are v.
  const auto qkv = random_values(3 * 6, 1);
  std::vector<double> out(6);
  attention_forward(qkv.data(), out.data(), {.batch = 1, .seq = 3, .heads = 1, .kv_heads = 1, .head_dim = 2});
  EXPECT_DOUBLE_EQ(out[0], qkv[4]);
  EXPECT_DOUBLE_EQ(out[1], qkv[5]);
}

TEST(ReferenceAttention, TurnsQueriesAndKeysByTheirPosition) {
  // Head dim 2: one pair, angle = position. q = k = (1, 0) at both positions: the score of (1, 0) is cos(1) / sqrt 2,
  // of (1, 1) 1 / sqrt 2. With v = 0 at position 0 and 1 at position 1 the output at 1 is the probability of key 1.
  const double qkv[] = {1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 1};
  std::vector<double> out(4);
  attention_forward(qkv, out.data(), {.batch = 1, .seq = 2, .heads = 1, .kv_heads = 1, .head_dim = 2});
  const double near = std::exp(1.0 / std::sqrt(2.0)), far = std::exp(std::cos(1.0) / std::sqrt(2.0));
  EXPECT_NEAR(out[2], near / (near + far), 1e-15);
}

TEST(ReferenceAttention, GradientMatchesFiniteDifferences) {
  for (const std::int64_t kv_heads : {1, 2, 4}) {
    const AttentionShape shape{.batch = 2, .seq = 4, .heads = 4, .kv_heads = kv_heads, .head_dim = 4};
    auto qkv = random_values(2 * 4 * (4 + 2 * kv_heads) * 4, 1);
    const auto dout = random_values(2 * 4 * 16, 2);
    std::vector<double> out(dout.size()), dqkv(qkv.size());
    attention_backward(dout.data(), qkv.data(), dqkv.data(), shape);
    expect_gradient(
        qkv, dqkv,
        [&] {
          attention_forward(qkv.data(), out.data(), shape);
          return dot(out, dout);
        },
        "qkv");
  }
}

}  // namespace
}  // namespace moesaic::executor::reference
