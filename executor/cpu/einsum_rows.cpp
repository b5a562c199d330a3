#include "executor/cpu/einsum_rows.h"

#include <algorithm>
#include <type_traits>

#include "executor/cpu/matmul.h"
#include "executor/cpu/scratch.h"

namespace moesaic::executor::cpu {

void make_masks(const std::int32_t* row_of_choice, const float* weights, float* combine, float* weights_mask,
                float* mask, std::int64_t top_k, std::int64_t slices, const MaskShape& shape) {
  std::fill_n(combine, shape.m * shape.n, 0.0f);
  const std::int64_t rows_per_token = top_k * slices;
  for (std::int64_t i = 0; i < shape.m * rows_per_token; ++i)
    if (row_of_choice[i] >= 0) combine[i / rows_per_token * shape.n + row_of_choice[i]] = weights[i / slices];
  for (std::int64_t i = 0; i < shape.m * shape.n; ++i) {
    weights_mask[i] = combine[i];
    mask[i] = combine[i] != 0.0f ? 1.0f : 0.0f;
  }
}

template <typename Element>
void einsum_dispatch(const float* x, const float* mask, Element* rows, const MaskShape& shape) {
  const auto [m, n, k] = shape;
  float* product = nullptr;
  thread_local Scratch<float> scratch;
  if constexpr (std::is_same_v<Element, float>)
    product = rows;
  else
    product = scratch.of_size(n * k);
  matmul(mask, x, product, n, k, m, Transpose::yes, Transpose::no, false, Precision::f32);
  if constexpr (!std::is_same_v<Element, float>) round_to_bf16(product, rows, n * k);
}

template void einsum_dispatch(const float*, const float*, float*, const MaskShape&);
template void einsum_dispatch(const float*, const float*, BFloat16*, const MaskShape&);

void einsum_combine(const float* rows, const float* mask, const float* base, float* sum, const MaskShape& shape) {
  const auto [m, n, k] = shape;
  if (base != sum) std::copy_n(base, m * k, sum);
  matmul(mask, rows, sum, m, k, n, Transpose::no, Transpose::no, true, Precision::f32);
}

void einsum_weights_gradient(const float* dsum, const float* rows, const std::int32_t* row_of_choice, float* dmasks,
                             float* dweights, std::int64_t top_k, std::int64_t slices, const MaskShape& shape) {
  const auto [m, n, k] = shape;
  matmul(dsum, rows, dmasks, m, n, k, Transpose::no, Transpose::yes, false, Precision::f32);
  std::fill_n(dweights, m * top_k, 0.0f);
  const std::int64_t rows_per_token = top_k * slices;
  for (std::int64_t i = 0; i < m * rows_per_token; ++i)
    if (row_of_choice[i] >= 0) dweights[i / slices] += dmasks[i / rows_per_token * n + row_of_choice[i]];
}

}  // namespace moesaic::executor::cpu
