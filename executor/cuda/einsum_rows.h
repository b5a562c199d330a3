#pragma once
// Rows of experts as products with one-hot masks, on a stream. permute.h does the same by index, with less work.
// Element: float, BFloat16; sums are f32 and rounded once.

#include <cstdint>

#include "executor/cuda/linear.h"
#include "executor/cuda/stream.h"
#include "executor/launch/mask_shape.h"

namespace moesaic::executor::cuda {

// combine [m, n] = the weight of the choice whose row it is (weights [m, top_k], row_of_choice [m, top_k, slices]; -1:
// dropped), else 0; weights_mask the same, rounded; mask 1 where it is not 0.
template <typename Element>
void make_masks(const int32_t* row_of_choice, const float* weights, float* combine, Element* weights_mask,
                Element* mask, int64_t top_k, int64_t slices, const MaskShape& shape, Stream stream);

// rows [n, k] = mask^T x [m, k]
template <typename Element>
void einsum_dispatch(Linear& products, const Element* x, const Element* mask, Element* rows, const MaskShape& shape,
                     Stream stream);

// sum [m, k] = base [m, k] + mask rows [n, k]; sum may be base
template <typename Element>
void einsum_combine(Linear& products, const Element* rows, const Element* mask, const Element* base, Element* sum,
                    const MaskShape& shape, Stream stream);

// dmasks [m, n] = dsum [m, k] rows^T, in f32; dweights [m, top_k] = their sum over the rows of a choice, 0 where
// dropped
template <typename Element>
void einsum_weights_gradient(Linear& products, const Element* dsum, const Element* rows, const int32_t* row_of_choice,
                             float* dmasks, float* dweights, int64_t top_k, int64_t slices, const MaskShape& shape,
                             Stream stream);

}  // namespace moesaic::executor::cuda
