#pragma once
// The table of tokens: row t of [vocabulary, H] for token t, and its gradient. n: vocabulary; k: H.

#include "core/operators/operator.h"

namespace moesaic {

namespace operands {
struct Embed {
  enum Reads : size_t { tokens, table };
  enum Writes : size_t { x };
};
struct EmbedBackward {
  enum Reads : size_t { dx, tokens };
  enum Writes : size_t { d_table };  // added to
};
}  // namespace operands

inline constexpr OperatorFacts kEmbedding[] = {
    {.op = Op::embed,
     .name = "embed",
     .family = Family::embedding,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = no_flops,
     .bytes = [](const OperatorWork& w) { return (w.element_bytes + w.weight_bytes) * w.m * w.k(); }},
    {.op = Op::embed_backward,
     .name = "embed_backward",
     .family = Family::embedding,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return w.m * w.k(); },
     .bytes = [](const OperatorWork& w) { return w.element_bytes * 2 * w.m * w.k(); },
     .adds_to = {operands::EmbedBackward::d_table, 1}},
};

}  // namespace moesaic
