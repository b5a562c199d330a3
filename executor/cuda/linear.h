#pragma once
// A linear layer without bias, y = x w^T with w [n, k], and its two gradients, on a stream.
// It is not a matrix product of its own: it names the three transposes. Element: float, BFloat16.

#include <cstdint>

#include "executor/cuda/matmul.h"

namespace moesaic::executor::cuda {

class Linear {
 public:
  Linear() : matmul_(scratch_) {}

  // y [m, n] = x [m, k] w^T; Result: Element or float, which keeps the sums as they are
  template <typename Element, typename Result>
  void forward(const Element* x, const Element* w, Result* y, int64_t m, int64_t n, int64_t k, Stream stream);
  // dx [m, k] (+)= dy [m, n] w
  template <typename Element>
  void dgrad(const Element* dy, const Element* w, Element* dx, int64_t m, int64_t n, int64_t k, Stream stream,
             bool accumulate = false);
  // dw [n, k] (+)= dy^T x
  template <typename Element>
  void wgrad(const Element* dy, const Element* x, Element* dw, int64_t m, int64_t n, int64_t k, Stream stream,
             bool accumulate = true);

  StreamScratch& scratch() { return scratch_; }
  size_t cached_algorithms() const { return matmul_.cached_algorithms(); }

 private:
  StreamScratch scratch_;
  Matmul matmul_;
};

}  // namespace moesaic::executor::cuda
