#pragma once
// RMS norms of queries and keys in packed rows of q, k and v, and their gradient: of each head by itself, or of all
// heads together, which may stand on several ranks. Values pass through.

#include "executor/launch/attention_shapes.h"

namespace moesaic::executor::cpu {

// sums [m, 2]: of squares of queries and of keys; with dy of dy * gain * x instead
void head_sums(const float* qkv, const float* dy, const float* gain, float* sums, const HeadNormShape& shape);

// y [m, columns], statistics [m, statistics] = 1 / sqrt(mean of squares + epsilon)
void head_norm_forward(const float* qkv, const float* gain, float* y, float* statistics, const HeadNormShape& shape,
                       float epsilon, RankSums of_ranks = {});

// dqkv [m, columns] is overwritten; dgain is added to, rows in order.
void head_norm_backward(const float* dy, const float* qkv, const float* statistics, const float* gain, float* dqkv,
                        float* dgain, const HeadNormShape& shape, RankSums of_ranks = {});

}  // namespace moesaic::executor::cpu
