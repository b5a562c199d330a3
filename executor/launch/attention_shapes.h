#pragma once
// Shapes of what is computed on packed rows of attention, in whichever number format: in each token's row all heads of
// q, then of k, then of v. The models' constants that kernels need come with the shape.

#include <compare>
#include <cstdint>

namespace moesaic::executor {

// head_dim is even; kv_heads divides heads; query head a reads kv head a / (heads / kv_heads).
struct AttentionShape {
  int64_t batch = 0, seq = 0, heads = 0, kv_heads = 0, head_dim = 0;
  double rope_theta = 10000;  // base of the rotary angles

  int64_t tokens() const { return batch * seq; }
  int64_t group() const { return heads / kv_heads; }
  int64_t qkv_columns() const { return (heads + 2 * kv_heads) * head_dim; }
  int64_t turned_columns() const { return (heads + kv_heads) * head_dim; }  // q and k, with rotary positions applied
  int64_t out_columns() const { return heads * head_dim; }
  int64_t k_column() const { return heads * head_dim; }
  int64_t v_column() const { return (heads + kv_heads) * head_dim; }
  auto operator<=>(const AttentionShape&) const = default;
};

// Elements of `saved` and of what else there is one of per row of scores, [batch, heads, seq].
constexpr int64_t attention_rows(const AttentionShape& shape) { return shape.batch * shape.heads * shape.seq; }

// Of this rank. gain: of queries, then of keys: [2, head_dim], or as wide as all heads where they are normed together.
struct HeadNormShape {
  int64_t m = 0, heads = 0, kv_heads = 0, head_dim = 0;
  bool whole = false;  // one norm over all query heads, one over all key heads
  int64_t columns() const { return (heads + 2 * kv_heads) * head_dim; }
  int64_t statistics() const { return whole ? 2 : heads + kv_heads; }
};

// Where the heads stand on several ranks, a row's sums over them: sums [ranks, m, 2], of queries and of keys. Without,
// the operators sum over the row themselves.
template <typename Number>
struct RankSumsOf {
  const Number* sums = nullptr;
  int64_t ranks = 1;
};
using RankSums = RankSumsOf<float>;

}  // namespace moesaic::executor
