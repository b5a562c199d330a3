#pragma once
// Moves token rows into the order of experts, and puts returned rows back with their weights; both gradients, on a
// stream. It does not decide the order (row_of_choice comes from the router) and it sends nothing.

#include <cstdint>

#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

// Tokens m, choices per token k, hidden h.
struct PermuteShape {
  int64_t m = 0, k = 0, h = 0;
};

// send [rows, h] at row_of_choice [m, k] (-1: dropped) = z [m, h]
void permute_forward(const float* z, const int32_t* row_of_choice, float* send, const PermuteShape& shape,
                     Stream stream);

// dz [m, h] += dsend [rows, h] at row_of_choice, choices in order
void permute_backward(const float* dsend, const int32_t* row_of_choice, float* dz, const PermuteShape& shape,
                      Stream stream);

// out [m, h] = residual [m, h] (null: 0) + sum over choices of weights [m, k] * returned [rows, h], choices in order;
// out may be residual
void unpermute_forward(const float* returned, const int32_t* row_of_choice, const float* weights, const float* residual,
                       float* out, const PermuteShape& shape, Stream stream);

// dreturned [rows, h] at row_of_choice = weight * dout; dweights [m, k] = dout . returned, 0 where dropped
void unpermute_backward(const float* dout, const float* returned, const int32_t* row_of_choice, const float* weights,
                        float* dreturned, float* dweights, const PermuteShape& shape, Stream stream);

}  // namespace moesaic::executor::cuda
