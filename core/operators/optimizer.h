#pragma once
// AdamW of m elements, and what is set to zero: m rows of k.

#include "core/operators/operator.h"

namespace moesaic {

namespace operands {
struct AdamW {  // for each parameter; with ZeRO for this rank's share of one group
  enum Reads : size_t { gradient, kReads };
  enum Writes : size_t { weight, moments, cleared, kWrites };  // cleared: the gradient, for the next step
  static constexpr size_t of_parameter(size_t parameter, Reads operand) { return parameter * kReads + operand; }
  static constexpr size_t of_parameter(size_t parameter, Writes operand) { return parameter * kWrites + operand; }
};
struct Clear {  // reads nothing
  enum Writes : size_t { x };
};
}  // namespace operands

inline constexpr OperatorFacts kOptimizer[] = {
    {.op = Op::adamw,
     .name = "adamw",
     .family = Family::optimizer,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 12 * w.m; },
     // Reads and writes weight and both moments, reads the gradient and clears it.
     .bytes = [](const OperatorWork& w) { return 4 * 8 * w.m; },
     .repeated_reads = {operands::AdamW::gradient, operands::AdamW::kReads}},
    {.op = Op::clear,
     .name = "clear",
     .family = Family::optimizer,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = no_flops,
     .bytes = [](const OperatorWork& w) { return 4 * w.m * (w.k() > 1 ? w.k() : 1); }},
};

}  // namespace moesaic
