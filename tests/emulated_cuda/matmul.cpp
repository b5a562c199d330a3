// Stands in for executor/cuda/matmul.cpp, which calls cuBLASLt: three loops with f32 sums, appended to the stream.

#include "executor/cuda/matmul.h"

#include <cuda_runtime.h>

#include "core/schema/bfloat16.h"
#include "executor/cuda/element.cuh"
#include "executor/cuda/element_grid.cuh"
#include "executor/cuda/launch_kernel.cuh"

namespace moesaic::executor::cuda {
namespace {

template <typename Element, typename Result>
__global__ void product(const Element* a, const Element* b, Result* c, MatmulShape s) {
  const auto at = [](const Element* x, int64_t row, int64_t column, int64_t rows, int64_t columns,
                     Transpose transpose) {
    return to_float(transpose == Transpose::no ? x[row * columns + column] : x[column * rows + row]);
  };
  for (int64_t i = first_item(); i < s.m * s.n; i += item_stride()) {
    float sum = 0.0f;
    for (int64_t j = 0; j < s.k; ++j)
      sum += at(a, i / s.n, j, s.m, s.k, s.transpose_a) * at(b, j, i % s.n, s.k, s.n, s.transpose_b);
    c[i] = store<Result>(s.accumulate ? load(c[i]) + sum : sum);
  }
}

template <typename Element, typename Result>
void launch_product(const void* a, const void* b, void* c, const MatmulShape& shape, Stream stream) {
  launch_kernel(product<Element, Result>, blocks_for(shape.m * shape.n), kThreads, stream,
                static_cast<const Element*>(a), static_cast<const Element*>(b), static_cast<Result*>(c), shape);
}

}  // namespace

struct Matmul::Library {};

Matmul::Matmul(StreamScratch& scratch) : scratch_(scratch) {}
Matmul::~Matmul() = default;

size_t Matmul::cached_algorithms() const { return 0; }

void Matmul::run(const void* a, const void* b, void* c, const MatmulShape& shape, DType operands, DType result,
                 Stream stream) {
  if (shape.m == 0 || shape.n == 0) return;
  if (operands == DType::f32) return launch_product<float, float>(a, b, c, shape, stream);
  if (result == DType::f32) return launch_product<BFloat16, float>(a, b, c, shape, stream);
  launch_product<BFloat16, BFloat16>(a, b, c, shape, stream);
}

}  // namespace moesaic::executor::cuda
