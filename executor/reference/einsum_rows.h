#pragma once
// Rows of experts as products with masks, in double; shapes as in executor/cpu/einsum_rows.h.
// It is not fast and not for use outside tests.

#include <cstdint>

namespace moesaic::executor::reference {

struct MaskShape {
  std::int64_t m = 0, n = 0, k = 0;
};

void make_masks(const std::int32_t* row_of_choice, const double* weights, double* combine, double* weights_mask,
                double* mask, std::int64_t choices, const MaskShape& shape);
void einsum_dispatch(const double* x, const double* mask, double* rows, const MaskShape& shape);
void einsum_combine(const double* rows, const double* mask, const double* base, double* sum, const MaskShape& shape);
void einsum_weights_gradient(const double* dsum, const double* rows, double* dmasks, const MaskShape& shape);

}  // namespace moesaic::executor::reference
