#pragma once
// Layer norm and RMS norm (OpShape::rms) of rows of k, and their gradient.

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
}  // namespace operands

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
};

}  // namespace moesaic
