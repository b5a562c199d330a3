#include "executor/cuda/cuda_check.h"
#include "executor/cuda/einsum_rows.h"
#include "executor/cuda/element.cuh"
#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {
namespace {

/// combine: zeros before.
__global__ void scatter_weights(const int32_t* row_of_choice, const float* weights, float* combine, int64_t count,
                                int64_t rows_per_token, int64_t slices, int64_t n) {
  for (int64_t i = first_item(); i < count; i += item_stride())
    if (row_of_choice[i] >= 0) combine[i / rows_per_token * n + row_of_choice[i]] = weights[i / slices];
}

template <typename Element>
__global__ void split_masks(const float* combine, Element* weights_mask, Element* mask, int64_t count) {
  for (int64_t i = first_item(); i < count; i += item_stride()) {
    weights_mask[i] = store<Element>(combine[i]);
    mask[i] = store<Element>(combine[i] != 0.0f ? 1.0f : 0.0f);
  }
}

__global__ void pick_weights(const float* dmasks, const int32_t* row_of_choice, float* dweights, int64_t count,
                             int64_t top_k, int64_t slices, int64_t n) {
  for (int64_t choice = first_item(); choice < count; choice += item_stride()) {
    float sum = 0.0f;
    for (int64_t i = choice * slices; i < (choice + 1) * slices; ++i)
      if (row_of_choice[i] >= 0) sum += dmasks[choice / top_k * n + row_of_choice[i]];
    dweights[choice] = sum;
  }
}

size_t bytes_of_elements(int64_t count, size_t size) { return static_cast<size_t>(count) * size; }

}  // namespace

template <typename Element>
void make_masks(const int32_t* row_of_choice, const float* weights, float* combine, Element* weights_mask,
                Element* mask, int64_t top_k, int64_t slices, const MaskShape& shape, Stream stream) {
  const int64_t elements = shape.m * shape.n, rows = shape.m * top_k * slices;
  if (elements == 0) return;
  CUDA_CHECK(cudaMemsetAsync(combine, 0, bytes_of_elements(elements, sizeof(float)), stream));
  launch_kernel(scatter_weights, blocks_for(rows), kThreads, stream, row_of_choice, weights, combine, rows,
                top_k * slices, slices, shape.n);
  launch_kernel(split_masks<Element>, blocks_for(elements), kThreads, stream, combine, weights_mask, mask, elements);
}

template <typename Element>
void einsum_dispatch(Linear& products, const Element* x, const Element* mask, Element* rows, const MaskShape& shape,
                     Stream stream) {
  products.wgrad(mask, x, rows, shape.m, shape.n, shape.k, stream, false);
}

template <typename Element>
void einsum_combine(Linear& products, const Element* rows, const Element* mask, const Element* base, Element* sum,
                    const MaskShape& shape, Stream stream) {
  if (base != sum)
    CUDA_CHECK(cudaMemcpyAsync(sum, base, bytes_of_elements(shape.m * shape.k, sizeof(Element)),
                               cudaMemcpyDeviceToDevice, stream));
  products.dgrad(mask, rows, sum, shape.m, shape.n, shape.k, stream, true);
}

template <typename Element>
void einsum_weights_gradient(Linear& products, const Element* dsum, const Element* rows, const int32_t* row_of_choice,
                             float* dmasks, float* dweights, int64_t top_k, int64_t slices, const MaskShape& shape,
                             Stream stream) {
  products.forward(dsum, rows, dmasks, shape.m, shape.n, shape.k, stream);
  const int64_t choices = shape.m * top_k;
  if (choices > 0)
    launch_kernel(pick_weights, blocks_for(choices), kThreads, stream, dmasks, row_of_choice, dweights, choices, top_k,
                  slices, shape.n);
}

#define MOESAIC_EINSUM_ROWS(Element)                                                                                \
  template void make_masks(const int32_t*, const float*, float*, Element*, Element*, int64_t, int64_t,              \
                           const MaskShape&, Stream);                                                               \
  template void einsum_dispatch(Linear&, const Element*, const Element*, Element*, const MaskShape&, Stream);       \
  template void einsum_combine(Linear&, const Element*, const Element*, const Element*, Element*, const MaskShape&, \
                               Stream);                                                                             \
  template void einsum_weights_gradient(Linear&, const Element*, const Element*, const int32_t*, float*, float*,    \
                                        int64_t, int64_t, const MaskShape&, Stream)
MOESAIC_EINSUM_ROWS(float);
MOESAIC_EINSUM_ROWS(BFloat16);

}  // namespace moesaic::executor::cuda
