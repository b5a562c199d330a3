#pragma once
// Which experts a token goes to: softmax over n experts, the best top_k of them, where their rows go; which of them
// this rank has, where every rank has routed the tokens of all; and the gradient.

#include "core/operators/operator.h"

namespace moesaic {

namespace operands {
struct Router {
  enum Reads : size_t { z, w };
  // local_counts: this rank's rows per chunk and expert; counts elsewhere are those of all ranks that meet in the layer
  enum Writes : size_t { probabilities, route, local_counts };
};
struct OwnChoices {
  enum Reads : size_t { route, counts };
  enum Writes : size_t { own };  // a route too
};
struct RouterBackward {
  // counts: of the stage, a row per rank, other layers' between them
  enum Reads : size_t { d_weights, probabilities, route, counts, z, w };
  enum Writes : size_t { dz, dw, loss };  // dw and loss are added to
};
}  // namespace operands

inline constexpr OperatorFacts kRouter[] = {
    {.op = Op::router,
     .name = "router",
     .family = Family::router,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 2 * w.m * w.n() * w.k() + 5 * w.m * w.n(); },
     .bytes =
         [](const OperatorWork& w) { return w.element_bytes * (w.m * w.k() + w.n() * w.k()) + 4 * 2 * w.m * w.n(); }},
    {.op = Op::own_choices,
     .name = "own_choices",
     .family = Family::router,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = no_flops,
     .bytes = [](const OperatorWork& w) { return 4 * 2 * w.m * w.k(); }},
    {.op = Op::router_backward,
     .name = "router_backward",
     .family = Family::router,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 4 * w.m * w.n() * w.k() + 5 * w.m * w.n(); },
     .bytes =
         [](const OperatorWork& w) { return w.element_bytes * (w.m * w.k() + w.n() * w.k()) + 4 * 2 * w.m * w.n(); },
     .adds_to = {operands::RouterBackward::dw, 2}},
};

}  // namespace moesaic
