#pragma once
// RMS norms of queries and keys in packed rows of q, k and v, and their gradient, on a stream: of each head by itself,
// or of all heads together, which may stand on several ranks. Values pass through. Element: float, BFloat16; statistics
// and all sums are f32.

#include "executor/cuda/stream.h"
#include "executor/cuda/stream_scratch.h"
#include "executor/launch/attention_shapes.h"

namespace moesaic::executor::cuda {

// sums [m, 2]: of squares of queries and of keys; with dy of dy * gain * x instead. For whole norms.
template <typename Element>
void head_sums(const Element* qkv, const Element* dy, const Element* gain, float* sums, const HeadNormShape& shape,
               Stream stream);

// y as qkv [m, (heads + 2 kv_heads) head_dim]; statistics [m, heads + kv_heads], whole: [m, 2], = 1 / sqrt(mean of
// squares + epsilon)
template <typename Element>
void head_norm_forward(const Element* qkv, const Element* gain, Element* y, float* statistics,
                       const HeadNormShape& shape, float epsilon, RankSums of_ranks, Stream stream);

// dqkv is overwritten; dgain is added to, in a fixed order.
template <typename Element>
void head_norm_backward(const Element* dy, const Element* qkv, const float* statistics, const Element* gain,
                        Element* dqkv, Element* dgain, const HeadNormShape& shape, RankSums of_ranks,
                        StreamScratch& scratch, Stream stream);

}  // namespace moesaic::executor::cuda
