#include "executor/reference/permute.h"

namespace moesaic::executor::reference {

// One scan over all choices per slot: slow, and plainly in the promised order.
std::int64_t build_permutation(const std::int32_t* chosen, const std::int32_t* slot_of_expert,
                               std::int32_t* row_of_choice, std::int64_t* rows_per_slot, std::int64_t m, std::int64_t k,
                               std::int64_t num_slots) {
  std::int32_t rows = 0;
  for (std::int64_t i = 0; i < m * k; ++i) row_of_choice[i] = -1;
  for (std::int64_t slot = 0; slot < num_slots; ++slot) {
    rows_per_slot[slot] = 0;
    for (std::int64_t i = 0; i < m * k; ++i) {
      if (chosen[i] < 0 || slot_of_expert[chosen[i]] != slot) continue;
      row_of_choice[i] = rows++;
      ++rows_per_slot[slot];
    }
  }
  return rows;
}

void permute_forward(const double* z, const std::int32_t* row_of_choice, double* send, const PermuteShape& shape) {
  const auto [m, k, h] = shape;
  for (std::int64_t i = 0; i < m * k; ++i) {
    if (row_of_choice[i] < 0) continue;
    for (std::int64_t j = 0; j < h; ++j) send[row_of_choice[i] * h + j] = z[i / k * h + j];
  }
}

void permute_backward(const double* dsend, const std::int32_t* row_of_choice, double* dz, const PermuteShape& shape) {
  const auto [m, k, h] = shape;
  for (std::int64_t i = 0; i < m * k; ++i) {
    if (row_of_choice[i] < 0) continue;
    for (std::int64_t j = 0; j < h; ++j) dz[i / k * h + j] += dsend[row_of_choice[i] * h + j];
  }
}

void unpermute_forward(const double* returned, const std::int32_t* row_of_choice, const double* weights,
                       const double* residual, double* out, const PermuteShape& shape) {
  const auto [m, k, h] = shape;
  for (std::int64_t t = 0; t < m; ++t) {
    for (std::int64_t j = 0; j < h; ++j) {
      double sum = residual == nullptr ? 0.0 : residual[t * h + j];
      for (std::int64_t i = t * k; i < (t + 1) * k; ++i) {
        if (row_of_choice[i] >= 0) sum += weights[i] * returned[row_of_choice[i] * h + j];
      }
      out[t * h + j] = sum;
    }
  }
}

void unpermute_backward(const double* dout, const double* returned, const std::int32_t* row_of_choice,
                        const double* weights, double* dreturned, double* dweights, const PermuteShape& shape) {
  const auto [m, k, h] = shape;
  for (std::int64_t i = 0; i < m * k; ++i) {
    dweights[i] = 0.0;
    if (row_of_choice[i] < 0) continue;
    for (std::int64_t j = 0; j < h; ++j) {
      dreturned[row_of_choice[i] * h + j] = weights[i] * dout[i / k * h + j];
      dweights[i] += dout[i / k * h + j] * returned[row_of_choice[i] * h + j];
    }
  }
}

}  // namespace moesaic::executor::reference
