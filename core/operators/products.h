#pragma once
// Dense products y [m, n] = x [m, k] w [n, k]^T and their gradients.

#include "core/operators/operator.h"

namespace moesaic {

namespace operands {
struct Linear {
  enum Reads : size_t { x, w };
  enum Writes : size_t { y };
};
struct LinearDgrad {
  enum Reads : size_t { dy, w, beside };  // beside: of wider rows, which are dx and hold its other columns already
  enum Writes : size_t { dx };
};
struct LinearWgrad {
  enum Reads : size_t { dy, x };
  enum Writes : size_t { dw };  // added to
};
}  // namespace operands

inline constexpr OperatorFacts kProducts[] = {
    {.op = Op::linear,
     .name = "linear",
     .family = Family::products,
     .is_matrix_product = true,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 2 * w.m * w.n() * w.k(); },
     .bytes =
         [](const OperatorWork& w) {
           return w.element_bytes * (w.m * w.k() + w.m * w.n()) + w.weight_bytes * w.n() * w.k();
         }},
    {.op = Op::linear_dgrad,
     .name = "linear_dgrad",
     .family = Family::products,
     .is_matrix_product = true,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 2 * w.m * w.n() * w.k(); },
     .bytes =
         [](const OperatorWork& w) {
           return w.element_bytes * (w.m * w.k() + w.m * w.n()) + w.weight_bytes * w.n() * w.k();
         }},
    {.op = Op::linear_wgrad,
     .name = "linear_wgrad",
     .family = Family::products,
     .is_matrix_product = true,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 2 * w.m * w.n() * w.k(); },
     // The gradient is read and written.
     .bytes = [](const OperatorWork& w) { return w.element_bytes * (w.m * w.k() + w.m * w.n() + 2 * w.n() * w.k()); },
     .adds_to = {operands::LinearWgrad::dw, 1}},
};

}  // namespace moesaic
