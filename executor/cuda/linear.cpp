#include "executor/cuda/linear.h"

#include "executor/cuda/round_to_bf16.h"

namespace moesaic::executor::cuda {

void Linear::multiply(const float* a, const float* b, float* c, const MatmulShape& shape, Precision precision,
                      Stream stream) {
  if (precision == Precision::f32) return matmul_.run(a, b, c, shape, precision, stream);
  const auto rounded = [&](const float* x, Scratch purpose, int64_t elements) {
    auto* y = static_cast<BFloat16*>(scratch_.get(stream, purpose, elements * static_cast<Bytes>(sizeof(BFloat16))));
    round_to_bf16(x, y, elements, stream);
    return y;
  };
  const BFloat16* a_rounded = rounded(a, Scratch::operand_a, shape.m * shape.k);
  const BFloat16* b_rounded = rounded(b, Scratch::operand_b, shape.k * shape.n);
  matmul_.run(a_rounded, b_rounded, c, shape, precision, stream);
}

void Linear::forward(const float* x, const float* w, float* y, int64_t m, int64_t n, int64_t k, Precision precision,
                     Stream stream) {
  multiply(x, w, y, {m, n, k, Transpose::no, Transpose::yes, false}, precision, stream);
}

void Linear::dgrad(const float* dy, const float* w, float* dx, int64_t m, int64_t n, int64_t k, Precision precision,
                   Stream stream, bool accumulate) {
  multiply(dy, w, dx, {m, k, n, Transpose::no, Transpose::no, accumulate}, precision, stream);
}

void Linear::wgrad(const float* dy, const float* x, float* dw, int64_t m, int64_t n, int64_t k, Precision precision,
                   Stream stream) {
  multiply(dy, x, dw, {n, k, m, Transpose::yes, Transpose::no, true}, precision, stream);
}

}  // namespace moesaic::executor::cuda
