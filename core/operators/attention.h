#pragma once
// Attention on packed rows of q, k and v, and its gradient. Rows are queries: all of a sequence in training and prefill
// (OpShape::causal_square), one per sequence in decode.

#include "core/operators/operator.h"

namespace moesaic {

namespace operands {
struct Attention {
  enum Reads : size_t { qkv };
  enum Writes : size_t { out, saved };
};
struct AttentionBackward {
  enum Reads : size_t { d_out, qkv, out, saved };
  enum Writes : size_t { d_qkv };
};
}  // namespace operands

/// Query-key pairs: a causal square keeps half of them, a decode step looks at every key once. In a window of w keys
/// the first w queries of a sequence keep half of w^2, and each later one w.
constexpr double attention_pairs(const OperatorWork& w) {
  const OpShape& s = w.shape;
  const auto sequence = static_cast<double>(s.sequence);
  if (!s.causal_square) return w.m * sequence;
  if (s.window <= 0 || s.window >= s.sequence) return w.m * sequence * 0.5;
  const auto window = static_cast<double>(s.window);
  return w.m / sequence * (window * window * 0.5 + (sequence - window) * window);
}

/// Queries, results, keys and values, each once: heads that share a key-value head share its reading. Decode reads keys
/// and values as they are stored in the cache.
constexpr double attention_bytes(const OperatorWork& w) {
  const double of_queries = w.element_bytes * 2 * w.m * w.query_width();
  if (w.shape.causal_square) return of_queries + w.element_bytes * 2 * w.m * w.key_width();
  return of_queries + w.weight_bytes * 2 * w.m * static_cast<double>(w.shape.sequence) * w.key_width();
}

inline constexpr OperatorFacts kAttention[] = {
    {.op = Op::attention,
     .name = "attention",
     .family = Family::attention,
     .is_matrix_product = true,
     .moves_rows = false,
     // Scores and weighted sum: two products of head_dim per pair and head.
     .flops = [](const OperatorWork& w) { return 4 * attention_pairs(w) * w.query_width(); },
     .bytes = attention_bytes},
    {.op = Op::attention_backward,
     .name = "attention_backward",
     .family = Family::attention,
     .is_matrix_product = true,
     .moves_rows = false,
     // Scores again, dV, dP, dQ, dK: five products (FlashAttention-2, arXiv 2307.08691, section 3.1).
     .flops = [](const OperatorWork& w) { return 10 * attention_pairs(w) * w.query_width(); },
     .bytes = [](const OperatorWork& w) { return 2 * attention_bytes(w); }},
};

}  // namespace moesaic
