#pragma once
// Rows of experts as products with one-hot masks, in f32. permute.h does the same by index, with less work.

#include <cstdint>

#include "executor/cpu/bfloat16.h"
#include "executor/launch/mask_shape.h"

namespace moesaic::executor::cpu {

// combine [m, n] = the weight of the choice whose row it is (weights [m, top_k], row_of_choice [m, top_k, slices]; -1:
// dropped), else 0; weights_mask the same, mask 1 where it is not 0.
void make_masks(const std::int32_t* row_of_choice, const float* weights, float* combine, float* weights_mask,
                float* mask, std::int64_t top_k, std::int64_t slices, const MaskShape& shape);

// rows [n, k] = mask^T x [m, k], for BFloat16 rounded
template <typename Element>
void einsum_dispatch(const float* x, const float* mask, Element* rows, const MaskShape& shape);

// sum [m, k] = base [m, k] + mask rows [n, k]; sum may be base
void einsum_combine(const float* rows, const float* mask, const float* base, float* sum, const MaskShape& shape);

// dmasks [m, n] = dsum [m, k] rows^T; dweights [m, top_k] = their sum over the rows of a choice, 0 where dropped
void einsum_weights_gradient(const float* dsum, const float* rows, const std::int32_t* row_of_choice, float* dmasks,
                             float* dweights, std::int64_t top_k, std::int64_t slices, const MaskShape& shape);

}  // namespace moesaic::executor::cpu
