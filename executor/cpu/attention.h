#pragma once
// Causal multi-head self-attention with rotary positions inside, and its gradient; kv heads may be fewer than query
// heads. It does not store the probabilities: the backward pass makes them again from the log of each row's sum.

#include <cstdint>

#include "executor/cpu/precision.h"
#include "executor/launch/attention_shapes.h"

namespace moesaic::executor::cpu {

// out = softmax(rotary(q) rotary(k)^T / sqrt(head_dim), causal) v
// qkv [batch * seq, qkv_columns]: all of q, then k, then v, head by head; out [batch * seq, out_columns];
// saved [attention_rows]: log sum exp of each row of scaled scores.
void attention_forward(const float* qkv, float* out, float* saved, const AttentionShape& shape, Precision precision);

// dqkv, shaped as qkv, is overwritten.
void attention_backward(const float* dout, const float* qkv, const float* out, const float* saved, float* dqkv,
                        const AttentionShape& shape, Precision precision);

}  // namespace moesaic::executor::cpu
