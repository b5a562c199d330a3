#include "executor/reference/einsum_rows.h"

namespace moesaic::executor::reference {

void make_masks(const std::int32_t* row_of_choice, const double* weights, double* combine, double* weights_mask,
                double* mask, std::int64_t choices, const MaskShape& shape) {
  for (std::int64_t i = 0; i < shape.m * shape.n; ++i) combine[i] = weights_mask[i] = mask[i] = 0.0;
  for (std::int64_t i = 0; i < shape.m * choices; ++i) {
    if (row_of_choice[i] < 0) continue;
    const std::int64_t at = i / choices * shape.n + row_of_choice[i];
    combine[at] = weights_mask[at] = weights[i];
    mask[at] = 1.0;
  }
}

void einsum_dispatch(const double* x, const double* mask, double* rows, const MaskShape& shape) {
  const auto [m, n, k] = shape;
  for (std::int64_t row = 0; row < n; ++row)
    for (std::int64_t j = 0; j < k; ++j) {
      double sum = 0.0;
      for (std::int64_t t = 0; t < m; ++t) sum += mask[t * n + row] * x[t * k + j];
      rows[row * k + j] = sum;
    }
}

void einsum_combine(const double* rows, const double* mask, const double* base, double* sum, const MaskShape& shape) {
  const auto [m, n, k] = shape;
  for (std::int64_t t = 0; t < m; ++t)
    for (std::int64_t j = 0; j < k; ++j) {
      double total = base[t * k + j];
      for (std::int64_t row = 0; row < n; ++row) total += mask[t * n + row] * rows[row * k + j];
      sum[t * k + j] = total;
    }
}

void einsum_weights_gradient(const double* dsum, const double* rows, double* dmasks, const MaskShape& shape) {
  const auto [m, n, k] = shape;
  for (std::int64_t t = 0; t < m; ++t)
    for (std::int64_t row = 0; row < n; ++row) {
      double total = 0.0;
      for (std::int64_t j = 0; j < k; ++j) total += dsum[t * k + j] * rows[row * k + j];
      dmasks[t * n + row] = total;
    }
}

}  // namespace moesaic::executor::reference
