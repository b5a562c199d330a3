#pragma once
// The feed-forward networks of all expert slots, each on its own rows: up [F, H] (SwiGLU: two of them), activation,
// down [H, F]; and their gradients. n: F; k: H.

#include "core/operators/operator.h"

namespace moesaic {

namespace operands {
// Weights come in pairs of up and down: one pair, or one for each window that holds some of the slots.
struct Experts {
  enum Reads : size_t { x, counts, weights };  // from there on for each window
  enum OfWindow : size_t { up, down, kPerWindow };
  enum Writes : size_t { u, a, y };
  static constexpr size_t of_window(size_t window, OfWindow operand) { return weights + window * kPerWindow + operand; }
};
struct ExpertsDgrad {
  enum Reads : size_t { dy, counts, u, weights };  // from there on for each window
  enum OfWindow : size_t { up, down, kPerWindow };
  enum Writes : size_t { du, dx };
  static constexpr size_t of_window(size_t window, OfWindow operand) { return weights + window * kPerWindow + operand; }
};
struct ExpertsWgrad {
  enum Reads : size_t { counts, chunks };  // from there on for each chunk
  enum OfChunk : size_t { x, a, dy, du, kPerChunk };
  enum Writes : size_t { d_up, d_down };  // added to
  static constexpr size_t of_chunk(size_t chunk, OfChunk operand) { return chunks + chunk * kPerChunk + operand; }
};
}  // namespace operands

/// Two matrices of n k elements, three where the up projection has a gate.
constexpr double experts_flops(const OperatorWork& w) { return 2 * (w.up_widths() + 1) * w.m * w.n() * w.k(); }

/// Rows in and out, what the activation reads and makes, and the weights of experts that have rows.
constexpr double experts_bytes(const OperatorWork& w) {
  return w.element_bytes * (2 * w.m * w.k() + (2 * w.up_widths() + 1) * w.m * w.n()) +
         w.weight_bytes * w.active_experts * (w.up_widths() + 1) * w.n() * w.k();
}

inline constexpr OperatorFacts kExperts[] = {
    {.op = Op::experts,
     .name = "experts",
     .family = Family::experts,
     .is_matrix_product = true,
     .moves_rows = false,
     .flops = experts_flops,
     .bytes = experts_bytes,
     .repeated_reads = {operands::Experts::weights, operands::Experts::kPerWindow}},
    {.op = Op::experts_dgrad,
     .name = "experts_dgrad",
     .family = Family::experts,
     .is_matrix_product = true,
     .moves_rows = false,
     .flops = experts_flops,
     .bytes = experts_bytes,
     .repeated_reads = {operands::ExpertsDgrad::weights, operands::ExpertsDgrad::kPerWindow}},
    {.op = Op::experts_wgrad,
     .name = "experts_wgrad",
     .family = Family::experts,
     .is_matrix_product = true,
     .moves_rows = false,
     .flops = experts_flops,
     .bytes =
         [](const OperatorWork& w) {
           return w.element_bytes * (2 * w.m * w.k() + (w.up_widths() + 1) * w.m * w.n() +
                                     2 * w.active_experts * (w.up_widths() + 1) * w.n() * w.k());
         },
     .repeated_reads = {operands::ExpertsWgrad::chunks, operands::ExpertsWgrad::kPerChunk},
     .adds_to = {operands::ExpertsWgrad::d_up, 2}},
};

}  // namespace moesaic
