#pragma once
// Orders token rows by the expert that they go to, and puts returned rows back with their weights; both gradients.
// It sends nothing: the buffers on either side belong to the exchange. Rows for matrix products may be written as bf16.

#include <cstdint>

#include "executor/cpu/bfloat16.h"

namespace moesaic::executor::cpu {

// Tokens m, choices per token k, hidden h.
struct PermuteShape {
  std::int64_t m = 0, k = 0, h = 0;
};

// chosen [m, k] (-1: dropped) and slot_of_expert [num_experts] give row_of_choice [m, k], the row of the send buffer
// (-1: dropped), and rows_per_slot [num_slots]. Rows stand in the order of slots, within a slot in the order of tokens.
// Returns their number.
std::int64_t build_permutation(const std::int32_t* chosen, const std::int32_t* slot_of_expert,
                               std::int32_t* row_of_choice, std::int64_t* rows_per_slot, std::int64_t m, std::int64_t k,
                               std::int64_t num_slots);

// send [rows, h] at row_of_choice = z [m, h], for float as it is, for BFloat16 rounded
template <typename Element>
void permute_forward(const float* z, const std::int32_t* row_of_choice, Element* send, const PermuteShape& shape);

// dz [m, h] += dsend [rows, h] at row_of_choice, choices in order
void permute_backward(const float* dsend, const std::int32_t* row_of_choice, float* dz, const PermuteShape& shape);

// out [m, h] = residual [m, h] (null: 0) + sum over choices of weights [m, k] * returned [rows, h], choices in order;
// out may be residual
void unpermute_forward(const float* returned, const std::int32_t* row_of_choice, const float* weights,
                       const float* residual, float* out, const PermuteShape& shape);

// dreturned [rows, h] at row_of_choice = weight * dout, as send above; dweights [m, k] = dout . returned, 0 where
// dropped
template <typename Element>
void unpermute_backward(const float* dout, const float* returned, const std::int32_t* row_of_choice,
                        const float* weights, Element* dreturned, float* dweights, const PermuteShape& shape);

}  // namespace moesaic::executor::cpu
