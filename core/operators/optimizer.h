#pragma once
// The look at m elements of gradients before an update and AdamW of m elements; what is set to zero: m rows of k; and
// the gradients of experts that hold several slots, on their way to an exchange among these and back: m experts of this
// rank, k elements of a slot.

#include "core/operators/operator.h"

namespace moesaic {

namespace operands {
struct CheckGradients {  // check_gradients, sum_squares; reads gradients alone
  enum Writes : size_t { signal };
};
struct AdamW {  // for each parameter; with ZeRO for this rank's share of one group
  enum Reads : size_t { gradient, kReads };
  enum Writes : size_t { weight, moments, cleared, kWrites };  // cleared: the gradient, for the next step
  static constexpr size_t of_parameter(size_t parameter, Reads operand) { return parameter * kReads + operand; }
  static constexpr size_t of_parameter(size_t parameter, Writes operand) { return parameter * kWrites + operand; }
};
struct FlattenGradients {  // of an AdamW task, which reads the copies
  // statistics: sums of magnitudes and of squares; widened: one gradient after the other
  enum Writes : size_t { statistics, widened, kBefore };
  static constexpr size_t of_parameter(size_t parameter) { return parameter; }
  static constexpr size_t copy_of_parameter(size_t parameter) { return kBefore + parameter; }
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

inline constexpr double kF32Bytes = 4;

/// Reads and writes the weight and both moments in f32, reads the gradient (whose dtype is that of stored weights) and
/// clears it; where weights are narrower, those in f32 are their masters and the weights are written beside them: 32
/// bytes in f32, 30 in bf16, 34 in bf16 with gradients in f32.
constexpr double adamw_bytes(const OperatorWork& w) {
  return w.m * (2 * 3 * kF32Bytes + 2 * w.weight_bytes + (w.element_bytes < kF32Bytes ? w.element_bytes : 0));
}

/// Bytes per element, pass by pass as DeepSpeed's FP16_Optimizer (0.5, 2021): the gradient widened and summed to find
/// infinities, widened again, copied to one stretch, its squares summed, scaled. 36 in bf16; with AdamW's 34 that is
/// 70, against 30 of one kernel.
constexpr double flatten_bytes(const OperatorWork& w) {
  const double widen = w.element_bytes + kF32Bytes, sum = kF32Bytes, copy = 2 * kF32Bytes, scale = 2 * kF32Bytes;
  return w.m * (widen + sum + widen + copy + sum + scale);
}

/// Traffic of AdamW as one kernel per operation over that of one kernel, in f32. Bytes per element, pass by pass as
/// torch's single-tensor AdamW: decay of the weight 8, lerp of the mean 12, scaling of the square 8, its addcmul 12,
/// root 8, division 8, addition of epsilon 8, addcdiv 16, clearing the gradient 4: 84 against 32.
inline constexpr double kUnfusedAdamWTraffic = 84.0 / 32;

constexpr double read_once(const OperatorWork& w) { return w.element_bytes * w.m; }

inline constexpr OperatorFacts kOptimizer[] = {
    {.op = Op::check_gradients,  // that their squares are finite
     .name = "check_gradients",
     .family = Family::optimizer,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return w.m; },
     .bytes = read_once,
     .repeated_reads = {0, 1},
     .priced_like = Op::adamw},
    {.op = Op::sum_squares,  // that, and the sum of the squares
     .name = "sum_squares",
     .family = Family::optimizer,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 2 * w.m; },
     .bytes = read_once,
     .repeated_reads = {0, 1},
     .priced_like = Op::adamw},
    {.op = Op::adamw,
     .name = "adamw",
     .family = Family::optimizer,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 12 * w.m; },
     .bytes = adamw_bytes,
     .repeated_reads = {operands::AdamW::gradient, operands::AdamW::kReads}},
    {.op = Op::flatten_gradients,
     .name = "flatten_gradients",
     .family = Family::optimizer,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = [](const OperatorWork& w) { return 4 * w.m; },
     .bytes = flatten_bytes,
     .repeated_reads = {operands::FlattenGradients::of_parameter(0), 1}},
    {.op = Op::clear,
     .name = "clear",
     .family = Family::optimizer,
     .is_matrix_product = false,
     .moves_rows = false,
     .flops = no_flops,
     .bytes = [](const OperatorWork& w) { return w.element_bytes * w.m * (w.k() > 1 ? w.k() : 1); }},
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
