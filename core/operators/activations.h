#pragma once
// Element by element: GELU or SwiGLU (OpShape::gated) of n columns with its gradient, and sums of k columns.

#include "core/operators/operator.h"

namespace moesaic {

namespace operands {
struct Activation {
  enum Reads : size_t { u };
  enum Writes : size_t { a };
};
struct ActivationBackward {
  enum Reads : size_t { da, u };
  enum Writes : size_t { du };
};
struct Add {
  enum Reads : size_t { a, b };
  enum Writes : size_t { sum };
};
}  // namespace operands

inline constexpr OperatorFacts kActivations[] = {
    {.op = Op::activation,
     .name = "activation",
     .family = Family::activations,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 10 * w.m * w.n(); },
     .bytes = [](const OperatorWork& w) { return w.element_bytes * (w.up_widths() + 1) * w.m * w.n(); }},
    {.op = Op::activation_backward,
     .name = "activation_backward",
     .family = Family::activations,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 20 * w.m * w.n(); },
     .bytes = [](const OperatorWork& w) { return w.element_bytes * (2 * w.up_widths() + 1) * w.m * w.n(); }},
    {.op = Op::add,
     .name = "add",
     .family = Family::activations,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return w.m * w.k(); },
     .bytes = [](const OperatorWork& w) { return w.element_bytes * 3 * w.m * w.k(); }},
};

}  // namespace moesaic
