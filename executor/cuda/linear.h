#pragma once
// A linear layer without bias, y = x w^T with w [n, k], and its two gradients, on a stream.
// It is not a matrix product of its own: it names the three transposes and rounds operands for Precision::bf16.

#include <cstdint>

#include "executor/cuda/matmul.h"

namespace moesaic::executor::cuda {

class Linear {
 public:
  Linear() : matmul_(scratch_) {}

  // y [m, n] = x [m, k] w^T
  void forward(const float* x, const float* w, float* y, int64_t m, int64_t n, int64_t k, Precision precision,
               Stream stream);
  // dx [m, k] (+)= dy [m, n] w
  void dgrad(const float* dy, const float* w, float* dx, int64_t m, int64_t n, int64_t k, Precision precision,
             Stream stream, bool accumulate = false);
  // dw [n, k] += dy^T x
  void wgrad(const float* dy, const float* x, float* dw, int64_t m, int64_t n, int64_t k, Precision precision,
             Stream stream);

  StreamScratch& scratch() { return scratch_; }
  size_t cached_algorithms() const { return matmul_.cached_algorithms(); }

 private:
  void multiply(const float* a, const float* b, float* c, const MatmulShape& shape, Precision precision, Stream stream);

  StreamScratch scratch_;
  Matmul matmul_;
};

}  // namespace moesaic::executor::cuda
