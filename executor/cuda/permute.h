#pragma once
// Moves token rows into the order of experts, and puts returned rows back with their weights; both gradients, on a
// stream. It does not decide the order (rows come from row_placement.h) and it sends nothing. Element is float or
// BFloat16; sums are f32 and rounded once.

#include <cstdint>

#include "executor/cuda/stream.h"

namespace moesaic::executor::cuda {

// Tokens m, choices per token top_k, rows per choice slices, hidden h.
struct PermuteShape {
  int64_t m = 0, top_k = 0, slices = 1, h = 0;
};

// send [n, h] at rows [m, top_k, slices] (-1: dropped) = z [m, h]
template <typename Element>
void permute_forward(const Element* z, const int32_t* rows, Element* send, const PermuteShape& shape, Stream stream);

// The same at places, which a token names several times: of each it writes one row; place_of_row [n] at rows = places.
template <typename Element>
void permute_once(const Element* z, const int32_t* rows, const int32_t* places, Element* send, int32_t* place_of_row,
                  const PermuteShape& shape, Stream stream);

// dz [m, h] += dsend [n, h] at rows, in their order
template <typename Element>
void permute_backward(const Element* dsend, const int32_t* rows, Element* dz, const PermuteShape& shape, Stream stream);

// out [m, h] = residual [m, h] (null: 0) + sum over rows of weights [m, top_k] * returned [n, h], in their order; out
// may be residual
template <typename Element>
void unpermute_forward(const Element* returned, const int32_t* rows, const float* weights, const Element* residual,
                       Element* out, const PermuteShape& shape, Stream stream);

// dreturned [n, h] at rows = weight * dout [m, h]; dweights [m, top_k] = dout . (sum over slices of returned), 0 where
// dropped
template <typename Element>
void unpermute_backward(const Element* dout, const Element* returned, const int32_t* rows, const float* weights,
                        Element* dreturned, float* dweights, const PermuteShape& shape, Stream stream);

}  // namespace moesaic::executor::cuda
