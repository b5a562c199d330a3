#pragma once
// AdamW of m elements; what is set to zero: m rows of k; and the gradients of experts that hold several slots, on their
// way to an exchange among these and back: m experts of this rank, k elements of a slot.

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
// One sum for each round of the exchange (replica_rounds() in core/plan), [up | down] of the expert for which this rank
// takes part in it. Of gradients that are windows slots without a row are left out.
struct GatherReplicas {  // adds up slots of this rank that hold the same expert
  enum Reads : size_t { d_up, d_down };
  static constexpr size_t of_round(size_t round) { return round; }  // what it writes
};
struct SpreadReplicas {                        // in place
  enum Reads : size_t { d_up, d_down, sums };  // from there on for each round
  enum Writes : size_t { up, down };
  static constexpr size_t of_round(size_t round) { return sums + round; }
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
    {.op = Op::gather_replicas,
     .name = "gather_replicas",
     .family = Family::optimizer,
     .is_matrix_product = false,
     .moves_rows = true,
     .flops = no_flops,
     // Clears the sums, reads and writes them, reads the gradients.
     .bytes = [](const OperatorWork& w) { return w.element_bytes * 4 * w.m * w.k(); }},
    {.op = Op::spread_replicas,
     .name = "spread_replicas",
     .family = Family::optimizer,
     .is_matrix_product = false,
     .moves_rows = true,
     .flops = no_flops,
     .bytes = [](const OperatorWork& w) { return w.element_bytes * 2 * w.m * w.k(); },
     .repeated_reads = {operands::SpreadReplicas::sums, 1}},
};

}  // namespace moesaic
