#pragma once
// Layer norm and RMS norm (OpShape::rms) of rows of k; RMS norms of the queries and keys in packed rows of q, k and v,
// of each head or of all heads together (OpShape::whole); and their gradients. Where all heads are those of several
// ranks, each rank's sums over a row's queries and over its keys are gathered first, [ranks * m, 2].

#include "core/operators/operator.h"

namespace moesaic {

namespace operands {
struct Norm {
  enum Reads : size_t { x, gain_bias };
  enum Writes : size_t { y, statistics };
};
struct NormBackward {
  enum Reads : size_t { dy, x, statistics, gain_bias };
  enum Writes : size_t { dx, d_gain_bias };  // d_gain_bias is added to
};
struct HeadSums {  // of squares; with dy and gain of dy gain x
  enum Reads : size_t { qkv, dy, gain };
  enum Writes : size_t { sums };
};
struct HeadNorm {
  // gain: of queries, then of keys; as wide as a head, or as all heads. sums: where the heads stand on several ranks
  enum Reads : size_t { qkv, gain, sums };
  enum Writes : size_t { y, statistics };
};
struct HeadNormBackward {
  enum Reads : size_t { dy, qkv, statistics, gain, sums };
  enum Writes : size_t { d_qkv, d_gain };  // d_gain is added to
};
}  // namespace operands

/// Elements of a packed row of q, k and v, and of its q and k.
constexpr double packed_elements(const OperatorWork& w) { return w.query_width() + 2 * w.key_width(); }
constexpr double normed_elements(const OperatorWork& w) { return w.query_width() + w.key_width(); }

inline constexpr OperatorFacts kNorms[] = {
    {.op = Op::norm,
     .name = "norm",
     .family = Family::norms,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 8 * w.m * w.k(); },
     .bytes = [](const OperatorWork& w) { return w.element_bytes * 2 * w.m * w.k(); }},
    {.op = Op::norm_backward,
     .name = "norm_backward",
     .family = Family::norms,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 14 * w.m * w.k(); },
     .bytes = [](const OperatorWork& w) { return w.element_bytes * 3 * w.m * w.k(); },
     .adds_to = {operands::NormBackward::d_gain_bias, 1}},
    {.op = Op::head_sums,
     .name = "head_sums",
     .family = Family::norms,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 2 * w.m * normed_elements(w); },
     .bytes = [](const OperatorWork& w) { return w.element_bytes * w.m * normed_elements(w); }},
    {.op = Op::head_norm,
     .name = "head_norm",
     .family = Family::norms,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 8 * w.m * normed_elements(w); },
     .bytes = [](const OperatorWork& w) { return w.element_bytes * 2 * w.m * packed_elements(w); }},
    {.op = Op::head_norm_backward,
     .name = "head_norm_backward",
     .family = Family::norms,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 14 * w.m * normed_elements(w); },
     // Values only pass through: their old row isn't read.
     .bytes =
         [](const OperatorWork& w) { return w.element_bytes * w.m * (2 * packed_elements(w) + normed_elements(w)); },
     .adds_to = {operands::HeadNormBackward::d_gain, 1}},
};

}  // namespace moesaic
