#pragma once
// Causal attention and its gradient on rotated q and k, by kernels that take any shape and either storage format. For
// f32 plans and where cuDNN refuses; sums have a fixed order. It rotates nothing.

#include "executor/cuda/stream.h"
#include "executor/launch/attention_shapes.h"

namespace moesaic::executor::cuda {

// turned [tokens, turned_columns]: q, then k; v is read from qkv [tokens, qkv_columns]; out [tokens, out_columns];
// saved [batch, heads, seq] = log sum exp of each row of scaled scores.
template <typename Element>
void plain_attention_forward(const Element* turned, const Element* qkv, Element* out, float* saved,
                             const AttentionShape& shape, Stream stream);

// dqkv [tokens, qkv_columns] is overwritten; its q and k are gradients of the rotated ones. row_sums [batch, heads,
// seq] is scratch.
template <typename Element>
void plain_attention_backward(const Element* dout, const Element* turned, const Element* qkv, const Element* out,
                              const float* saved, Element* dqkv, float* row_sums, const AttentionShape& shape,
                              Stream stream);

}  // namespace moesaic::executor::cuda
