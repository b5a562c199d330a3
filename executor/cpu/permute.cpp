#include "executor/cpu/permute.h"

#include <algorithm>
#include <vector>

#include "executor/cpu/add.h"
#include "executor/cpu/lanes.h"

namespace moesaic::executor::cpu {
namespace {

MOESAIC_VECTORISED void add_scaled(const float* x, float factor, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += factor * x[i];
}

MOESAIC_VECTORISED void scale(const float* x, float factor, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = factor * x[i];
}

MOESAIC_VECTORISED void scale(const float* x, float factor, BFloat16* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = to_bf16(factor * x[i]);
}

void write(const float* x, float* y, std::int64_t n) { std::copy_n(x, n, y); }
void write(const float* x, BFloat16* y, std::int64_t n) { round_to_bf16(x, y, n); }

MOESAIC_VECTORISED float dot(const float* x, const float* y, std::int64_t n) {
  return sum_in_lanes(n, [x, y](std::int64_t i) MOESAIC_INLINED { return x[i] * y[i]; });
}

}  // namespace

std::int64_t build_permutation(const std::int32_t* chosen, const std::int32_t* slot_of_expert,
                               std::int32_t* row_of_choice, std::int64_t* rows_per_slot, std::int64_t m, std::int64_t k,
                               std::int64_t num_slots) {
  std::fill_n(rows_per_slot, num_slots, 0);
  for (std::int64_t i = 0; i < m * k; ++i) {
    if (chosen[i] >= 0) ++rows_per_slot[slot_of_expert[chosen[i]]];
  }
  std::vector<std::int64_t> next(static_cast<std::size_t>(num_slots));
  std::int64_t rows = 0;
  for (std::int64_t slot = 0; slot < num_slots; ++slot) {
    next[static_cast<std::size_t>(slot)] = rows;
    rows += rows_per_slot[slot];
  }
  for (std::int64_t i = 0; i < m * k; ++i) {
    row_of_choice[i] =
        chosen[i] < 0 ? -1 : static_cast<std::int32_t>(next[static_cast<std::size_t>(slot_of_expert[chosen[i]])]++);
  }
  return rows;
}

template <typename Element>
void permute_forward(const float* z, const std::int32_t* row_of_choice, Element* send, const PermuteShape& shape) {
  for (std::int64_t i = 0; i < shape.m * shape.k; ++i) {
    if (row_of_choice[i] >= 0) write(z + i / shape.k * shape.h, send + row_of_choice[i] * shape.h, shape.h);
  }
}

template void permute_forward(const float*, const std::int32_t*, float*, const PermuteShape&);
template void permute_forward(const float*, const std::int32_t*, BFloat16*, const PermuteShape&);

void permute_backward(const float* dsend, const std::int32_t* row_of_choice, float* dz, const PermuteShape& shape) {
  for (std::int64_t i = 0; i < shape.m * shape.k; ++i) {
    if (row_of_choice[i] >= 0) accumulate(dsend + row_of_choice[i] * shape.h, dz + i / shape.k * shape.h, shape.h);
  }
}

void unpermute_forward(const float* returned, const std::int32_t* row_of_choice, const float* weights,
                       const float* residual, float* out, const PermuteShape& shape) {
  for (std::int64_t t = 0; t < shape.m; ++t) {
    float* row = out + t * shape.h;
    if (residual == nullptr) {
      std::fill_n(row, shape.h, 0.0f);
    } else if (residual != out) {
      std::copy_n(residual + t * shape.h, shape.h, row);
    }
    for (std::int64_t i = t * shape.k; i < (t + 1) * shape.k; ++i) {
      if (row_of_choice[i] >= 0) add_scaled(returned + row_of_choice[i] * shape.h, weights[i], row, shape.h);
    }
  }
}

template <typename Element>
void unpermute_backward(const float* dout, const float* returned, const std::int32_t* row_of_choice,
                        const float* weights, Element* dreturned, float* dweights, const PermuteShape& shape) {
  for (std::int64_t i = 0; i < shape.m * shape.k; ++i) {
    const float* d = dout + i / shape.k * shape.h;
    dweights[i] = 0.0f;
    if (row_of_choice[i] < 0) continue;
    const std::int64_t at = row_of_choice[i] * shape.h;
    scale(d, weights[i], dreturned + at, shape.h);
    dweights[i] = dot(d, returned + at, shape.h);
  }
}

template void unpermute_backward(const float*, const float*, const std::int32_t*, const float*, float*, float*,
                                 const PermuteShape&);
template void unpermute_backward(const float*, const float*, const std::int32_t*, const float*, BFloat16*, float*,
                                 const PermuteShape&);

}  // namespace moesaic::executor::cpu
