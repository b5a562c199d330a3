#pragma once
// Rows of experts as products with masks, in double; shapes as in executor/cpu/einsum_rows.h.
// It is not fast and not for use outside tests.

#include <cstdint>

#include "executor/launch/mask_shape.h"

namespace moesaic::executor::reference {

void make_masks(const std::int32_t* row_of_choice, const float* weights, double* combine, double* weights_mask,
                double* mask, std::int64_t top_k, std::int64_t slices, const MaskShape& shape);
void einsum_dispatch(const double* x, const double* mask, double* rows, const MaskShape& shape);
void einsum_combine(const double* rows, const double* mask, const double* base, double* sum, const MaskShape& shape);
void einsum_weights_gradient(const double* dsum, const double* rows, const std::int32_t* row_of_choice, double* dmasks,
                             double* dweights, std::int64_t top_k, std::int64_t slices, const MaskShape& shape);

}  // namespace moesaic::executor::reference
