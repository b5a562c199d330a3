#pragma once
// Rows of k elements on their way to the experts and back.

#include "core/operators/operator.h"

namespace moesaic {

namespace operands {
struct Permute {
  enum Reads : size_t { z, route, counts };
  // Where a token goes to a node once, `send` holds one row per (token, node), and `places` says of every row of a
  // choice, in the order of slots, which of those it repeats.
  enum Writes : size_t { send, places };
};
struct PermuteBackward {
  enum Reads : size_t { d_send, route, dz };
  enum Writes : size_t { sum };  // the same tensor as dz
};
struct RowMove {  // regroup; of columns without counts, places where rows are repeated
  enum Reads : size_t { rows, counts, places };
  enum Writes : size_t { moved };
};
struct Unpermute {
  enum Reads : size_t { returned, route, residual };  // residual: may be missing
  enum Writes : size_t { sum };
};
struct UnpermuteBackward {
  enum Reads : size_t { d_sum, returned, route };
  enum Writes : size_t { d_returned, d_weights };
};
}  // namespace operands

inline constexpr OperatorFacts kRowMovers[] = {
    {.op = Op::permute,
     .name = "permute",
     .family = Family::row_movers,
     .is_matrix_product = false,
     .moves_rows = true,
     .flops = no_flops,
     .bytes = [](const OperatorWork& w) { return w.element_bytes * 2 * w.m * w.k(); }},
    {.op = Op::permute_backward,
     .name = "permute_backward",
     .family = Family::row_movers,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return w.m * w.k(); },
     .bytes = [](const OperatorWork& w) { return w.element_bytes * 2 * w.m * w.k(); }},
    {.op = Op::regroup,
     .name = "regroup",
     .family = Family::row_movers,
     .is_matrix_product = false,
     .moves_rows = true,
     .flops = no_flops,
     .bytes = [](const OperatorWork& w) { return w.element_bytes * 2 * w.m * w.k(); }},
    {.op = Op::unpermute,
     .name = "unpermute",
     .family = Family::row_movers,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 2 * w.m * w.k(); },
     .bytes = [](const OperatorWork& w) { return w.element_bytes * 3 * w.m * w.k(); }},
    {.op = Op::unpermute_backward,
     .name = "unpermute_backward",
     .family = Family::row_movers,
     .is_matrix_product = false,
     .moves_rows = true,
     .flops = [](const OperatorWork& w) { return 2 * w.m * w.k(); },
     .bytes = [](const OperatorWork& w) { return w.element_bytes * 3 * w.m * w.k(); }},
};

}  // namespace moesaic
