#pragma once
// Causal multi-head self-attention with rotary positions inside, and its gradient; kv heads may be fewer than query
// heads. It does not store the probabilities: the backward pass makes them again from the log of each row's sum.

#include <cstdint>

#include "executor/cpu/precision.h"

namespace moesaic::executor::cpu {

// head_dim is even; kv_heads divides heads; query head a reads kv head a / (heads / kv_heads).
struct AttentionShape {
  std::int64_t batch = 0, seq = 0, heads = 0, kv_heads = 0, head_dim = 0;
  double rope_theta = 10000;  // base of the rotary angles
  std::int64_t qkv_columns() const { return (heads + 2 * kv_heads) * head_dim; }
  std::int64_t out_columns() const { return heads * head_dim; }
};

// Elements of `saved`: log sum exp of each row of scaled scores, [batch, heads, seq].
constexpr std::int64_t attention_saved_elements(std::int64_t batch, std::int64_t seq, std::int64_t heads) {
  return batch * heads * seq;
}

// out = softmax(rotary(q) rotary(k)^T / sqrt(head_dim), causal) v
// qkv [batch * seq, qkv_columns]: all of q, then k, then v, head by head; out [batch * seq, out_columns].
void attention_forward(const float* qkv, float* out, float* saved, const AttentionShape& shape, Precision precision);

// dqkv, shaped as qkv, is overwritten.
void attention_backward(const float* dout, const float* qkv, const float* out, const float* saved, float* dqkv,
                        const AttentionShape& shape, Precision precision);

}  // namespace moesaic::executor::cpu
