#pragma once
// Causal attention with rotary positions in double, token by token; operands as in executor/cpu/attention.h.
// It is not fast and not for use outside tests.

#include "executor/launch/attention_shapes.h"

namespace moesaic::executor::reference {

void attention_forward(const double* qkv, double* out, const AttentionShape& shape);

// log sum exp of each row of scaled scores, [batch, heads, seq]: what devices save for the backward pass.
void attention_log_sums(const double* qkv, double* log_sums, const AttentionShape& shape);

// Makes the forward pass again, so nothing saved is read; dqkv is overwritten.
void attention_backward(const double* dout, const double* qkv, double* dqkv, const AttentionShape& shape);

}  // namespace moesaic::executor::reference
