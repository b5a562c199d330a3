#include "executor/reference/einsum_rows.h"

namespace moesaic::executor::reference {

void make_masks(const std::int32_t* row_of_choice, const float* weights, double* combine, double* weights_mask,
                double* mask, std::int64_t top_k, std::int64_t slices, const MaskShape& shape) {
  for (std::int64_t i = 0; i < shape.m * shape.n; ++i) combine[i] = weights_mask[i] = mask[i] = 0.0;
  for (std::int64_t i = 0; i < shape.m * top_k * slices; ++i) {
    if (row_of_choice[i] < 0 || weights[i / slices] == 0.0f) continue;
    const std::int64_t at = i / (top_k * slices) * shape.n + row_of_choice[i];
    combine[at] = weights_mask[at] = weights[i / slices];
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

void einsum_weights_gradient(const double* dsum, const double* rows, const std::int32_t* row_of_choice, double* dmasks,
                             double* dweights, std::int64_t top_k, std::int64_t slices, const MaskShape& shape) {
  const auto [m, n, k] = shape;
  for (std::int64_t t = 0; t < m; ++t)
    for (std::int64_t row = 0; row < n; ++row) {
      double total = 0.0;
      for (std::int64_t j = 0; j < k; ++j) total += dsum[t * k + j] * rows[row * k + j];
      dmasks[t * n + row] = total;
    }
  for (std::int64_t choice = 0; choice < m * top_k; ++choice) {
    dweights[choice] = 0.0;
    for (std::int64_t i = choice * slices; i < (choice + 1) * slices; ++i)
      if (row_of_choice[i] >= 0) dweights[choice] += dmasks[choice / top_k * n + row_of_choice[i]];
  }
}

}  // namespace moesaic::executor::reference
