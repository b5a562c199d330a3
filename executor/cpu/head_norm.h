#pragma once
// RMS norms of queries and keys in packed rows of q, k and v, and their gradient: of each head by itself, or of all
// heads together, which may stand on several ranks. Values pass through.

#include <cstdint>

namespace moesaic::executor::cpu {

// Of this rank. gain: of queries, then of keys: [2, head_dim], or as wide as all heads where they are normed together.
struct HeadNormShape {
  std::int64_t m = 0, heads = 0, kv_heads = 0, head_dim = 0;
  bool whole = false;  // one norm over all query heads, one over all key heads
  std::int64_t columns() const { return (heads + 2 * kv_heads) * head_dim; }
  std::int64_t statistics() const { return whole ? 2 : heads + kv_heads; }
};

// Where the heads stand on several ranks, a row's sums over them: sums [ranks, m, 2], of queries and of keys. Without,
// the operators sum over the row themselves.
struct RankSums {
  const float* sums = nullptr;
  std::int64_t ranks = 1;
};

// sums [m, 2]: of squares of queries and of keys; with dy of dy * gain * x instead
void head_sums(const float* qkv, const float* dy, const float* gain, float* sums, const HeadNormShape& shape);

// y [m, columns], statistics [m, statistics] = 1 / sqrt(mean of squares + epsilon)
void head_norm_forward(const float* qkv, const float* gain, float* y, float* statistics, const HeadNormShape& shape,
                       float epsilon, RankSums of_ranks = {});

// dqkv [m, columns] is overwritten; dgain is added to, rows in order.
void head_norm_backward(const float* dy, const float* qkv, const float* statistics, const float* gain, float* dqkv,
                        float* dgain, const HeadNormShape& shape, RankSums of_ranks = {});

}  // namespace moesaic::executor::cpu
