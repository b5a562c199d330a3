#pragma once
// Rows on their way to the experts and back as products with masks [tokens m, rows n], hidden k: what GShard (arXiv
// 2006.16668) writes as einsum("sec,sm->ecm") and its inverse, and DeepSpeed-MoE computes so (moe/sharded_moe.py).

#include "core/operators/operator.h"

namespace moesaic {

namespace operands {
struct RouteMasks {
  enum Reads : size_t { route };
  // weights: of the choice whose row it is, else 0; mask: 1 where it is not 0. combine: the weights in
  // f32, of which both are made.
  enum Writes : size_t { weights, mask, combine };
};
struct EinsumDispatch {                     // rows [n, k] = mask^T x: the dispatch, and the gradient of the combine
  enum Reads : size_t { x, mask, counts };  // counts: of the layer, where rows are sent; the gradient has none
  enum Writes : size_t { rows };
};
struct EinsumCombine {  // sum [m, k] = base + mask rows: the combine, and the gradient of the dispatch
  enum Reads : size_t { rows, mask, base };
  enum Writes : size_t { sum };
};
struct EinsumWeightsGradient {  // d_masks [m, n] = d_sum rows^T, of which the route says what weights take: [m, top_k]
  enum Reads : size_t { d_sum, rows, route };
  enum Writes : size_t { d_weights, d_masks };
};
}  // namespace operands

constexpr double einsum_flops(const OperatorWork& w) { return 2 * w.m * w.n() * w.k(); }
constexpr double einsum_bytes(const OperatorWork& w) {
  return w.element_bytes * (w.m * w.k() + w.n() * w.k() + w.m * w.n());
}

inline constexpr OperatorFacts kEinsumRows[] = {
    {.op = Op::route_masks,
     .name = "route_masks",
     .family = Family::einsum_rows,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = no_flops,
     // The weights in f32 are written and read, and both masks written.
     .bytes = [](const OperatorWork& w) { return w.m * w.n() * (2 * 4 + 2 * w.element_bytes); }},
    {.op = Op::einsum_dispatch,
     .name = "einsum_dispatch",
     .family = Family::einsum_rows,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = einsum_flops,
     .bytes = einsum_bytes},
    {.op = Op::einsum_combine,
     .name = "einsum_combine",
     .family = Family::einsum_rows,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = einsum_flops,
     .bytes = [](const OperatorWork& w) { return einsum_bytes(w) + w.element_bytes * w.m * w.k(); }},
    {.op = Op::einsum_weights_gradient,
     .name = "einsum_weights_gradient",
     .family = Family::einsum_rows,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = einsum_flops,
     .bytes = [](const OperatorWork& w) { return einsum_bytes(w) + (4 - w.element_bytes) * w.m * w.n(); }},
};

}  // namespace moesaic
