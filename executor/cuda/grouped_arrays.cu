#include <algorithm>

#include "executor/cuda/grouped_arrays.h"
#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {
namespace {

constexpr int kPartsPerLaunch = 128;

// Travels as a parameter of the kernel, which the driver copies at launch: [kPartsPerLaunch] each.
struct Parts {
  const BFloat16* a[kPartsPerLaunch];
  const BFloat16* b[kPartsPerLaunch];
  BFloat16* c[kPartsPerLaunch];
  int32_t rows[kPartsPerLaunch];
};

struct Weights {
  GroupedProduct product;
  int32_t n, k;
};

static_assert(sizeof(Parts) + sizeof(GroupedArrays) + sizeof(Weights) + 2 * sizeof(int32_t) <= 4096,
              "what every driver takes as parameters of a kernel");

__device__ void write(const GroupedArrays& to, int32_t i, Weights w, const BFloat16* a, const BFloat16* b, BFloat16* c,
                      int32_t rows) {
  const bool forward = w.product == GroupedProduct::forward, wgrad = w.product == GroupedProduct::wgrad;
  // Without rows a wgrad would write sums that were never begun: no output instead of no terms.
  const int32_t down = rows == 0 ? 0 : wgrad ? w.n : rows;
  to.shape[i] = {down, forward ? w.n : w.k, wgrad ? rows : forward ? w.k : w.n};
  to.a[i] = a;
  to.b[i] = b;
  to.d[i] = c;
  to.stride_a[i] = forward ? w.k : w.n;
  to.stride_b[i] = w.k;
  to.stride_d[i] = forward ? w.n : w.k;
}

__global__ void write_parts(Parts parts, int32_t count, int32_t first, Weights w, GroupedArrays to) {
  const int32_t i = static_cast<int32_t>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) write(to, first + i, w, parts.a[i], parts.b[i], parts.c[i], parts.rows[i]);
}

__global__ void write_rows(GroupedRows from, Weights w, GroupedArrays to) {
  const int32_t i = static_cast<int32_t>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= from.slots) return;
  const int64_t first = from.first_row[i], weights = static_cast<int64_t>(i) * w.n * w.k;
  const bool forward = w.product == GroupedProduct::forward, wgrad = w.product == GroupedProduct::wgrad;
  write(to, i, w, from.a + first * (forward ? w.k : w.n), from.b + (wgrad ? first * w.k : weights),
        from.c + (wgrad ? weights : first * (forward ? w.n : w.k)), from.first_row[i + 1] - from.first_row[i]);
}

Weights weights_of(GroupedProduct product, int64_t n, int64_t k) {
  return {product, static_cast<int32_t>(n), static_cast<int32_t>(k)};
}

}  // namespace

Bytes grouped_arrays_bytes(int64_t products) {
  constexpr Bytes kPerProduct = 3 * sizeof(void*) + 3 * sizeof(int64_t) + sizeof(GroupedShape);
  return products * kPerProduct;
}

GroupedArrays grouped_arrays_at(void* block, int64_t products) {
  GroupedArrays arrays;
  arrays.a = static_cast<const BFloat16**>(block);  // eight bytes each; the shapes, of twelve, come last
  arrays.b = arrays.a + products;
  arrays.d = const_cast<BFloat16**>(arrays.b + products);
  arrays.stride_a = reinterpret_cast<int64_t*>(arrays.d + products);
  arrays.stride_b = arrays.stride_a + products;
  arrays.stride_d = arrays.stride_b + products;
  arrays.shape = reinterpret_cast<GroupedShape*>(arrays.stride_d + products);
  return arrays;
}

void fill_grouped_arrays(const GroupedArrays& arrays, GroupedProduct product, int64_t n, int64_t k,
                         std::span<const GroupedPart> parts, Stream stream) {
  for (size_t first = 0; first < parts.size(); first += kPartsPerLaunch) {
    const size_t count = std::min<size_t>(kPartsPerLaunch, parts.size() - first);
    Parts chunk = {};
    for (size_t i = 0; i < count; ++i) {
      const GroupedPart& part = parts[first + i];
      chunk.a[i] = part.a;
      chunk.b[i] = part.b;
      chunk.c[i] = part.c;
      chunk.rows[i] = part.rows;
    }
    launch_kernel(write_parts, dim3(1), dim3(kPartsPerLaunch), stream, chunk, static_cast<int32_t>(count),
                  static_cast<int32_t>(first), weights_of(product, n, k), arrays);
  }
}

void fill_grouped_arrays(const GroupedArrays& arrays, GroupedProduct product, int64_t n, int64_t k,
                         const GroupedRows& rows, Stream stream) {
  const auto blocks = static_cast<unsigned>((rows.slots + 127) / 128);
  if (blocks > 0) launch_kernel(write_rows, dim3(blocks), dim3(128), stream, rows, weights_of(product, n, k), arrays);
}

}  // namespace moesaic::executor::cuda
