#pragma once
// Attention over latent vectors (DeepSeek-V2, arXiv 2405.04434, section 2.1). A token's latent vector stands for the
// keys and values of all heads; behind it stands the part of the keys that has a position, one for all heads. Training
// and prefill expand it, and queries and keys of head_dim meet values of value_dim. Decode has the matrix of the keys
// absorbed into the queries (section 2.1.2) and looks at the cache as it is: it is read once for all heads, as one key
// of head_dim whose first value_dim elements are the value.

#include "core/operators/attention.h"

namespace moesaic {

namespace operands {
struct ExpandedAttention {
  enum Reads : size_t { queries, kv, latent };  // kv: of each head the key without its position, then the value
  enum Writes : size_t { out, saved };
};
struct ExpandedAttentionBackward {
  enum Reads : size_t { d_out, queries, kv, latent, out, saved };
  enum Writes : size_t { d_queries, d_kv, d_latent };  // d_latent: of the part with the position alone
};
struct LatentAttention {
  enum Reads : size_t { absorbed, queries, latent };  // queries: their part with a position; latent: of new tokens
  enum Writes : size_t { out };
};
struct HeadLinear {  // y_h [m, n] = x_h [m, k] w_h for each head; w: a part of each head's rows
  enum Reads : size_t { x, w };
  enum Writes : size_t { y };
};
}  // namespace operands

/// Elements of queries, keys, values and results, each once.
constexpr double expanded_elements(const OperatorWork& w) { return 2 * w.m * (w.query_width() + w.value_width()); }

inline constexpr OperatorFacts kLatentAttention[] = {
    {.op = Op::expanded_attention,
     .name = "expanded_attention",
     .family = Family::latent_attention,
     .is_matrix_product = true,
     .moves_rows = false,
     // Scores are a product of keys' width, the weighted sum is one of values' width.
     .flops = [](const OperatorWork& w) { return 2 * attention_pairs(w) * (w.query_width() + w.value_width()); },
     .bytes = [](const OperatorWork& w) { return w.element_bytes * expanded_elements(w); }},
    {.op = Op::expanded_attention_backward,
     .name = "expanded_attention_backward",
     .family = Family::latent_attention,
     .is_matrix_product = true,
     .moves_rows = false,
     // The five products of attention_backward: scores again, dQ and dK of keys' width, dV and dP of values' width.
     .flops =
         [](const OperatorWork& w) { return 2 * attention_pairs(w) * (3 * w.query_width() + 2 * w.value_width()); },
     .bytes = [](const OperatorWork& w) { return 2 * w.element_bytes * expanded_elements(w); }},
    {.op = Op::latent_attention,
     .name = "latent_attention",
     .family = Family::latent_attention,
     .is_matrix_product = true,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 2 * attention_pairs(w) * (w.query_width() + w.value_width()); },
     .bytes =
         [](const OperatorWork& w) {
           return w.element_bytes * w.m * (w.query_width() + w.value_width()) +
                  w.weight_bytes * attention_pairs(w) * static_cast<double>(w.shape.head_dim);
         }},
    {.op = Op::head_linear,
     .name = "head_linear",
     .family = Family::latent_attention,
     .is_matrix_product = true,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 2 * w.m * w.heads() * w.n() * w.k(); },
     .bytes =
         [](const OperatorWork& w) {
           return w.heads() * (w.element_bytes * w.m * (w.n() + w.k()) + w.weight_bytes * w.n() * w.k());
         }},
};

}  // namespace moesaic
