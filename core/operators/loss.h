#pragma once
// Cross-entropy of logits [m, n] and its gradient, in one pass. n: vocabulary.

#include "core/operators/operator.h"

namespace moesaic {

namespace operands {
struct CrossEntropy {
  enum Reads : size_t { logits, targets };
  enum Writes : size_t { d_logits, loss };  // loss is added to
};
}  // namespace operands

inline constexpr OperatorFacts kLoss[] = {
    {.op = Op::cross_entropy,
     .name = "cross_entropy",
     .family = Family::loss,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 6 * w.m * w.n(); },
     .bytes = [](const OperatorWork& w) { return w.element_bytes * 2 * w.m * w.n(); },
     .adds_to = {operands::CrossEntropy::loss, 1}},
};

}  // namespace moesaic
