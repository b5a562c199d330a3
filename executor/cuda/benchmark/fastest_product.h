#pragma once
// The yardstick of products: the fastest that cuBLASLt has for a shape in bf16, found by timing its candidates. It does
// not go through this room's own calls, whose choice of an algorithm is part of what is measured.

#include <cublasLt.h>

#include "executor/cuda/benchmark/measure.h"
#include "executor/cuda/matmul_key.h"

namespace moesaic::executor::cuda {

class FastestProduct {
 public:
  /// Random operands; sums in f32, the result rounded to bf16. Times the candidates on `stream`.
  FastestProduct(const MatmulShape& shape, Stream stream);
  ~FastestProduct();
  FastestProduct(const FastestProduct&) = delete;
  FastestProduct& operator=(const FastestProduct&) = delete;

  void run(Stream stream) { run(fastest_, stream); }
  double flops() const;

 private:
  static cublasLtMatrixLayout_t layout(int64_t rows, int64_t columns);
  std::vector<cublasLtMatmulHeuristicResult_t> ask() const;
  cublasStatus_t try_to_run(const cublasLtMatmulAlgo_t& algorithm, Stream stream);
  void run(const cublasLtMatmulAlgo_t& algorithm, Stream stream);

  MatmulShape shape_;
  Buffer<BFloat16> a_, b_, c_;
  Buffer<char> workspace_;
  cublasLtHandle_t library_ = nullptr;
  cublasLtMatmulDesc_t description_ = nullptr;
  cublasLtMatrixLayout_t first_ = nullptr, second_ = nullptr, result_ = nullptr;
  cublasLtMatmulAlgo_t fastest_ = {};
};

/// 8192 x 8192 x 8192: what a product can reach on this device in this run.
inline constexpr MatmulShape kLargeProduct = {8192, 8192, 8192, Transpose::no, Transpose::yes};

}  // namespace moesaic::executor::cuda
